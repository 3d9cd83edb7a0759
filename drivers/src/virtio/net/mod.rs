//! virtio-net: a network card with a receive and a transmit queue (virtio 1.2, 5.1).
//!
//! Frames are read and built in the DMA buffers of the device, without a copy. Interrupts only wake the task of the network stack,
//! which then drains the queues.

mod card;
mod config;
mod control;
mod counters;
mod interrupt;
mod merge;
mod receive;
mod receive_waker;
mod send;
#[cfg(test)]
mod tests;

use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::Ordering;
use core::task::{Context, Waker};

use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::function::Function;
use switchboard::interrupt::{Interrupts, Live};
use switchboard::mmio::Bar;

use self::config::{MAX_FRAME_BYTES, NetConfig, NetFeatures, NetStatus};
use self::control::Control;
pub use self::counters::{NetCounter, NetCounters};
pub use self::interrupt::NetMessage;
use self::interrupt::Shared;
use self::receive::Receiver;
pub use self::receive::RxToken;
use self::send::Sender;
pub use self::send::TxToken;
use super::queue::QueueParameters;
use super::{Running, Transport, VENDOR};

/// The size of the header before each frame (5.1.6.1, since version 1).
const HEADER_BYTES: usize = 12;
/// The number of buffers of each queue.
const BUFFERS: usize = 128;
const QUEUE: QueueParameters = QueueParameters { size: 128, max_segments: 1 };

const RECEIVE_QUEUE: u16 = 0;
const TRANSMIT_QUEUE: u16 = 1;
/// Of a device with one pair of queues.
const CONTROL_QUEUE: u16 = 2;

/// A virtio network card, as a driver for `embassy_net_driver`.
pub struct VirtioNet {
    // The first field, so that the device is reset before its memory and interrupts are freed.
    device: Running,
    interrupts: Interrupts<3, Shared, Live>,
    receiver: Receiver,
    sender: Sender,
    control: Option<Control>,
    shared: Arc<Shared>,
    counters: Arc<NetCounters>,
    config: Bar<NetConfig>,
    features: NetFeatures,
    mac: [u8; 6],
    max_frame_bytes: usize,
    is_up: bool,
    /// The host asks for announcements, which the stack was not asked for yet.
    is_announcement_due: bool,
    is_quarantined: bool,
    /// The waker that was registered last for changes of the link.
    link_waker: Option<Waker>,
}

impl Driver for VirtioNet {
    const NAME: &'static str = "virtio-net";
    const MATCHES: &'static [Id] = &[Id::new(VENDOR, 0x1041), Id::new(VENDOR, 0x1000)];

    fn probe(function: Function) -> Result<Self, ProbeError> {
        let address = function.address();
        let (transport, irq, dma) = Transport::open(function)?;
        let wanted = NetFeatures::choose(transport.offered());
        let (setup, features) = transport.negotiate(wanted)?;
        let config = setup.config()?;
        let (mac, max_frame_bytes, status) = setup.read_config(|| {
            let mac = config::read_mac(&config, features, address);
            (mac, config::read_max_frame_bytes(&config, features), config::read_status(&config, features))
        })?;
        let (mac, max_frame_bytes) = (mac?, max_frame_bytes?);
        let interrupts: Interrupts<3, Shared> = irq.grant()?;
        setup.set_config_entry(interrupts.entry(NetMessage::Config))?;
        let receive = setup.queue(RECEIVE_QUEUE, &dma, QUEUE, interrupts.entry(NetMessage::Rx))?;
        let send = setup.queue(TRANSMIT_QUEUE, &dma, QUEUE, interrupts.entry(NetMessage::Tx))?;
        let control = if features.contains(NetFeatures::CTRL_VQ) {
            let queue = setup.queue(CONTROL_QUEUE, &dma, control::QUEUE, interrupts.entry(NetMessage::Config))?;
            Some(Control::new(queue, &dma, features, address)?)
        } else {
            None
        };
        let shared = Arc::new(Shared::new(setup.interrupt_status(), receive.watch(), send.watch()));
        let counters = Arc::new(NetCounters::default());
        let buffers = (BUFFERS, HEADER_BYTES + MAX_FRAME_BYTES);
        let entry = |message| interrupts.entry(message);
        let is_alone =
            entry(NetMessage::Rx) != entry(NetMessage::Tx) && entry(NetMessage::Rx) != entry(NetMessage::Config);
        let mask = interrupts.mask_of(NetMessage::Rx).filter(|_| is_alone);
        let mut receiver = Receiver::new(
            receive,
            shared.clone(),
            counters.clone(),
            &dma,
            buffers,
            mask,
            features.has_merged_frames(),
        )?;
        let sender = Sender::new(send, shared.clone(), counters.clone(), &dma, buffers, features.has_segmentation())?;
        let interrupts = interrupts.register(shared.clone()).unmask();
        let device = setup.start();
        // A device must not be kicked before DRIVER_OK (3.1.1).
        receiver.kick();
        Ok(Self {
            device,
            interrupts,
            receiver,
            sender,
            control,
            shared,
            counters,
            config,
            features,
            mac,
            max_frame_bytes,
            is_up: status.contains(NetStatus::LINK_UP),
            is_announcement_due: false,
            is_quarantined: false,
            link_waker: None,
        })
    }
}

impl VirtioNet {
    /// Returns the counters of the driver, which can be read while a network stack owns the card.
    #[must_use]
    pub fn counters(&self) -> Arc<NetCounters> {
        self.counters.clone()
    }

    /// Returns the card's Ethernet address.
    #[must_use]
    pub fn mac(&self) -> [u8; 6] {
        self.mac
    }

    /// Quarantines the card, once, while no handler runs: none reads the registers of a device that is being reset.
    #[cold]
    fn quarantine(&mut self, reason: impl fmt::Display) {
        if !self.is_quarantined {
            self.is_quarantined = true;
            let device = &self.device;
            self.interrupts.synchronize(|_| device.quarantine(reason));
        }
    }

    /// Returns whether the card was quarantined or removed.
    fn is_unusable(&self) -> bool {
        self.is_quarantined || self.device.presence().is_gone()
    }

    /// Returns whether a frame can be sent. If not, registers the waker.
    #[inline]
    fn can_send(&mut self, context: &Context<'_>) -> bool {
        self.sender.has_buffer() || self.poll_sender(context)
    }

    fn poll_sender(&mut self, context: &Context<'_>) -> bool {
        self.sender.poll(context).unwrap_or_else(|error| {
            self.quarantine(error);
            false
        })
    }

    /// Receives the frames of a VLAN as well, or no longer. From the start, a card that filters by VLAN receives only frames without a
    /// tag. Returns `false` when the card does not filter VLANs, or has too many commands to execute.
    pub fn set_vlan(&mut self, vlan: u16, is_received: bool) -> bool {
        let is_queued = self.control.as_mut().is_some_and(|control| control.set_vlan(vlan, is_received));
        self.poll_control();
        is_queued
    }

    /// Returns whether the device still has to execute commands: those of [`set_vlan`](Self::set_vlan), of the groups, and what a
    /// start and announcements need.
    #[must_use]
    pub fn has_pending_commands(&self) -> bool {
        self.control.as_ref().is_some_and(Control::is_busy)
    }

    /// Handles a change of the configuration, and what the control queue has answered.
    #[cold]
    fn refresh(&mut self) {
        if self.device.needs_reset() {
            self.quarantine("it reports that it needs a reset");
            return;
        }
        self.poll_control();
        if self.is_unusable() {
            return;
        }
        match self.device.read_config(|| config::read_status(&self.config, self.features)) {
            Ok(status) => {
                self.is_up = status.contains(NetStatus::LINK_UP);
                let is_answered = self.control.as_ref().is_none_or(Control::is_announced);
                self.is_announcement_due = status.contains(NetStatus::ANNOUNCE) && !is_answered;
            }
            // The error may be that of a device that was removed while it was read.
            Err(_) if self.device.presence().confirm().is_err() => {}
            Err(error) => self.quarantine(error),
        }
    }

    /// Sends the commands that are due, and handles answers.
    fn poll_control(&mut self) {
        if self.is_unusable() {
            return;
        }
        let Some(control) = &mut self.control else { return };
        // Before a command is sent, so that the line's handler does not miss its answer.
        self.shared.is_control_busy.store(control.is_busy(), Ordering::Release);
        let result = control.poll();
        self.shared.is_control_busy.store(control.is_busy(), Ordering::Release);
        if let Err(error) = result {
            self.quarantine(error);
        }
    }
}

impl fmt::Debug for VirtioNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtioNet").field("address", &self.device.address()).finish_non_exhaustive()
    }
}
