//! The control queue: what the card receives, and acknowledged announcements (virtio 1.2, 5.1.6.5).
//!
//! Commands run one after another, each when the one before was answered. None is waited for: [`Control::poll`] is called when the
//! queue interrupts.

use alloc::vec::Vec;

use bitflags::bitflags;
use switchboard::config::Address;
use switchboard::dma::{DmaBuffer, DmaPort};
use switchboard::driver::ProbeError;

use super::config::NetFeatures;
use crate::virtio::queue::{Chain, Queue, QueueError, QueueParameters, Segments};

pub(super) const QUEUE: QueueParameters = QueueParameters { size: 4, max_segments: 2 };

/// The most addresses of the table. More are received by [`ALL_MULTICAST`](Due::ALL_MULTICAST).
const MAX_GROUPS: usize = 64;
/// Bytes of the longest command: class and command, an empty table of unicast addresses, and one of groups.
const MAX_COMMAND_BYTES: usize = 2 + 4 + 4 + 6 * MAX_GROUPS;
/// VLANs that wait for their command.
const MAX_VLAN_CHANGES: usize = 64;

/// The answer of the device to a command that it has executed.
const OK: u8 = 0;

bitflags! {
    /// Commands that are due, in the order in which they are sent.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct Due: u16 {
        /// The table of groups.
        const GROUPS = 1;
        /// Whether all multicast frames are received.
        const ALL_MULTICAST = 1 << 1;
        /// Frames to other stations are not received.
        const NOT_PROMISCUOUS = 1 << 2;
        /// A VLAN is added or removed.
        const VLAN = 1 << 3;
        /// The host's request to announce the addresses was followed.
        const ANNOUNCED = 1 << 4;
    }
}

/// A command, with room for the answer behind it.
#[derive(Debug)]
pub(super) struct Command {
    buffer: DmaBuffer,
    length: usize,
}

impl Chain for Command {
    fn describe(&self, segments: &mut Segments) {
        segments.readable(&self.buffer, 0..self.length);
        segments.writable(&self.buffer, MAX_COMMAND_BYTES..MAX_COMMAND_BYTES + 1);
    }
}

/// The control queue, and what is to be commanded.
#[derive(Debug)]
pub(super) struct Control {
    queue: Queue<Command>,
    /// The buffer, unless the device owns it.
    idle: Option<DmaBuffer>,
    features: NetFeatures,
    due: Due,
    /// The command that the device executes.
    sent: Due,
    groups: Vec<[u8; 6]>,
    receives_all_groups: bool,
    /// VLANs to add, or to remove.
    vlan_changes: Vec<(u16, bool)>,
    address: Address,
}

impl Control {
    /// Creates the queue. Until [`set_groups`](Self::set_groups) is called, all multicast frames are received.
    pub(super) fn new(
        queue: Queue<Command>,
        dma: &DmaPort,
        features: NetFeatures,
        address: Address,
    ) -> Result<Self, ProbeError> {
        let idle = Some(dma.buffer(MAX_COMMAND_BYTES + 1)?);
        let is_filtering = features.contains(NetFeatures::CTRL_RX);
        let due = if is_filtering { Due::ALL_MULTICAST | Due::NOT_PROMISCUOUS } else { Due::empty() };
        let (groups, vlan_changes) = (Vec::new(), Vec::new());
        let sent = Due::empty();
        Ok(Self { queue, idle, features, due, sent, groups, receives_all_groups: true, vlan_changes, address })
    }

    /// Receives the multicast frames of these groups, and no others.
    pub(super) fn set_groups(&mut self, groups: &[[u8; 6]]) {
        if !self.features.contains(NetFeatures::CTRL_RX) {
            return;
        }
        self.receives_all_groups = groups.len() > MAX_GROUPS;
        self.groups.clear();
        if !self.receives_all_groups {
            self.groups.extend_from_slice(groups);
        }
        self.due |= Due::GROUPS | Due::ALL_MULTICAST;
    }

    /// Receives the frames of a VLAN, or no longer. Returns whether the card filters VLANs, and the change could be queued.
    pub(super) fn set_vlan(&mut self, vlan: u16, is_received: bool) -> bool {
        let is_possible = self.features.contains(NetFeatures::CTRL_VLAN) && self.vlan_changes.len() < MAX_VLAN_CHANGES;
        if is_possible {
            self.vlan_changes.push((vlan, is_received));
            self.due |= Due::VLAN;
        }
        is_possible
    }

    /// Acknowledges a request to announce the addresses.
    pub(super) fn set_announced(&mut self) {
        self.due |= Due::ANNOUNCED;
    }

    /// Returns whether a request to announce was followed, and the device has not answered the acknowledgement yet.
    pub(super) fn is_announced(&self) -> bool {
        (self.due | self.sent).contains(Due::ANNOUNCED)
    }

    /// Returns whether a command is due, or was not answered yet.
    pub(super) fn is_busy(&self) -> bool {
        !(self.due | self.sent).is_empty()
    }

    /// Takes the answer to a command, and sends the next one.
    ///
    /// # Errors
    /// [`QueueError`] when the device violated the protocol.
    pub(super) fn poll(&mut self) -> Result<(), QueueError> {
        loop {
            if let Some((command, _)) = self.queue.complete()? {
                self.answered(command.buffer[MAX_COMMAND_BYTES]);
                self.idle = Some(command.buffer);
            }
            if !self.due.is_empty()
                && let Some(buffer) = self.idle.take()
            {
                self.send(buffer)?;
            }
            if !self.queue.enable_notifications() {
                return Ok(());
            }
        }
    }

    /// Handles the answer to the command that was sent last.
    fn answered(&mut self, answer: u8) {
        let sent = core::mem::replace(&mut self.sent, Due::empty());
        if answer == OK {
            return;
        }
        match sent {
            // The device may have less room (5.1.6.5.2).
            Due::GROUPS if !self.receives_all_groups => {
                self.receives_all_groups = true;
                self.due |= Due::ALL_MULTICAST;
            }
            _ => log::warn!("{}: the card refuses command {sent:?} with {answer}", self.address),
        }
    }

    fn send(&mut self, mut buffer: DmaBuffer) -> Result<(), QueueError> {
        let Some(next) = self.due.iter().next() else {
            self.idle = Some(buffer);
            return Ok(());
        };
        self.due -= next;
        self.sent = next;
        // Not an answer.
        buffer[MAX_COMMAND_BYTES] = 0xff;
        let length = self.write(next, &mut buffer);
        self.queue.submit(Command { buffer, length }).map_err(|(error, _)| error)?;
        self.queue.kick();
        Ok(())
    }

    /// Writes a command. Returns its length.
    fn write(&mut self, command: Due, buffer: &mut [u8]) -> usize {
        let mut length = 0;
        let mut put = |bytes: &[u8]| {
            buffer[length..length + bytes.len()].copy_from_slice(bytes);
            length += bytes.len();
        };
        match command {
            // VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET: no further addresses of the card, and the groups.
            Due::GROUPS => {
                put(&[1, 0]);
                put(&[0; 4]);
                put(&u32::try_from(self.groups.len()).unwrap_or_default().to_le_bytes());
                self.groups.iter().for_each(|group| put(group));
            }
            // VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLMULTI.
            Due::ALL_MULTICAST => put(&[0, 1, self.receives_all_groups.into()]),
            // VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC.
            Due::NOT_PROMISCUOUS => put(&[0, 0, 0]),
            // VIRTIO_NET_CTRL_VLAN, with VIRTIO_NET_CTRL_VLAN_ADD or _DEL.
            Due::VLAN => {
                let (vlan, is_received) = self.vlan_changes.remove(0);
                if !self.vlan_changes.is_empty() {
                    self.due |= Due::VLAN;
                }
                put(&[2, (!is_received).into()]);
                put(&vlan.to_le_bytes());
            }
            // VIRTIO_NET_CTRL_ANNOUNCE, VIRTIO_NET_CTRL_ANNOUNCE_ACK.
            _ => put(&[3, 0]),
        }
        length
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::virtio::queue::RingFeatures;
    use crate::virtio::testing::{self, DeviceQueue};

    const FEATURES: NetFeatures = NetFeatures::all();

    fn control(features: NetFeatures) -> (Control, DeviceQueue) {
        let (queue, device_queue, dma) = testing::queue(RingFeatures::all(), QUEUE);
        (Control::new(queue, &dma, features, Address::new(0, 0, 3, 0)).expect("memory"), device_queue)
    }

    /// Executes the next command: returns it, and answers.
    fn execute(control: &mut Control, device_queue: &mut DeviceQueue, answer: u8) -> Option<Vec<u8>> {
        control.poll().expect("a good device");
        let chain = device_queue.take()?;
        let [command, status] = chain.segments[..] else { panic!("a command and room for the answer") };
        assert!(!command.is_writable && status.is_writable && status.length == 1);
        device_queue.write(status.address, &[answer]);
        assert!(device_queue.complete(chain.head.into(), 1), "an interrupt is requested");
        Some(device_queue.read(command.address, command.length as usize))
    }

    fn execute_all(control: &mut Control, device_queue: &mut DeviceQueue) -> Vec<Vec<u8>> {
        core::iter::from_fn(|| execute(control, device_queue, OK)).collect()
    }

    #[test]
    fn a_card_receives_all_groups_until_some_are_set() {
        let (mut control, mut device_queue) = control(FEATURES);
        assert!(control.is_busy());
        assert_eq!(execute_all(&mut control, &mut device_queue), [[0, 1, 1], [0, 0, 0]]);
        assert!(!control.is_busy());
        control.set_groups(&[[1, 0, 0x5e, 0, 0, 1], [0x33, 0x33, 0, 0, 0, 1]]);
        let table = [&[1, 0, 0, 0, 0, 0, 2, 0, 0, 0][..], &[1, 0, 0x5e, 0, 0, 1], &[0x33, 0x33, 0, 0, 0, 1]].concat();
        assert_eq!(execute_all(&mut control, &mut device_queue), [table, vec![0, 1, 0]]);
    }

    #[test]
    fn all_groups_are_received_where_the_table_is_too_short() {
        let (mut control, mut device_queue) = control(FEATURES);
        execute_all(&mut control, &mut device_queue);
        control.set_groups(&[[1; 6]; MAX_GROUPS + 1]);
        assert_eq!(execute_all(&mut control, &mut device_queue), [vec![1, 0, 0, 0, 0, 0, 0, 0, 0, 0], vec![0, 1, 1]]);
        // The device has less room than the driver.
        control.set_groups(&[[1; 6]; MAX_GROUPS]);
        assert_eq!(execute(&mut control, &mut device_queue, 1).map(|command| command.len()), Some(MAX_COMMAND_BYTES));
        assert_eq!(execute_all(&mut control, &mut device_queue), [[0, 1, 1]]);
    }

    #[test]
    fn vlans_and_announcements_are_commands() {
        let (mut control, mut device_queue) = control(FEATURES);
        execute_all(&mut control, &mut device_queue);
        assert!(control.set_vlan(5, true) && control.set_vlan(0x123, true) && control.set_vlan(5, false));
        control.set_announced();
        assert!(control.is_announced());
        let commands = execute_all(&mut control, &mut device_queue);
        assert_eq!(commands, [vec![2, 0, 5, 0], vec![2, 0, 0x23, 1], vec![2, 1, 5, 0], vec![3, 0]]);
        assert!(!control.is_announced());
        for _ in 0..MAX_VLAN_CHANGES {
            assert!(control.set_vlan(1, true));
        }
        assert!(!control.set_vlan(1, true), "commands are bounded");
    }

    #[test]
    fn cards_without_filters_get_no_command() {
        let (mut control, mut device_queue) = control(NetFeatures::CTRL_VQ);
        control.set_groups(&[[1; 6]]);
        assert!(!control.set_vlan(5, true) && execute(&mut control, &mut device_queue, OK).is_none());
    }

    #[test]
    fn refused_commands_and_wrong_chains_are_errors_without_a_panic() {
        let (mut control, mut device_queue) = control(FEATURES);
        assert!(execute(&mut control, &mut device_queue, 0xff).is_some());
        control.poll().expect("a refused command is only logged");
        device_queue.complete(77, 1);
        assert!(control.poll().is_err());
        assert!(control.poll().is_err(), "the queue is dead");
    }
}
