//! What all users of a stack share: smoltcp's interface, the table of the sockets, and the link layer.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::task::Waker;

use smoltcp::iface::{Interface, PollResult, SocketSet};
use smoltcp::phy::DeviceCapabilities;
use smoltcp::time::Instant;

use super::address::AddressAssignment;
use super::checksum;
use super::device::{self, EgressDevice};
use super::mtu;
use super::raw::RawTable;
use super::socket_table::{Entry, NEVER, SocketId, SocketTable};
use super::tcp::{MAX_CONTROL_BYTES, Tcp};
use super::udp::{SendError, UdpId, UdpTable, datagram};
use crate::interface_state::InterfaceState;
use crate::ipv6::Ipv6;
use crate::link::ipv4::{self, IPV4_HEADER};
use crate::link::{FrameSender, Link};
use crate::mdns::Responder;
use crate::nic::Nic;
use crate::rate_limit::RateLimit;

/// Sockets that are polled for packets in one poll of the stack. More would delay other tasks: a card that sends each
/// frame at once always has room.
const SEND_BUDGET: usize = 256;

/// Answers to echo requests a second, and at once.
const ECHO_REPLIES_PER_SECOND: u32 = 5000;
const ECHO_BURST: u32 = 500;
/// Errors a second, and at once.
const ERRORS_PER_SECOND: u32 = 100;
const ERROR_BURST: u32 = 20;

pub(super) struct Engine {
    pub(super) interface: Interface,
    /// The TCP sockets.
    pub(super) sockets: SocketTable,
    /// The UDP sockets.
    pub(super) datagrams: UdpTable,
    pub(super) raw: RawTable,
    /// An empty set, for packets that are for no socket.
    pub(super) no_sockets: SocketSet<'static>,
    pub(super) tcp: Tcp,
    pub(super) link: Link,
    /// Of multicast DNS.
    pub(super) responder: Box<Responder>,
    /// The version of the configuration that the responder has.
    pub(super) config_version: u64,
    pub(super) address: AddressAssignment,
    /// Of the card.
    pub(super) capabilities: DeviceCapabilities,
    /// The maximum length of a packet.
    pub(super) mtu: usize,
    /// Checksums of TCP are computed [in software](checksum).
    pub(super) software_checksums: bool,
    /// Limits of the answers to echo requests, and of errors (RFC 1812, 4.3.2.8).
    pub(super) echo_limit: RateLimit,
    pub(super) error_limit: RateLimit,
    /// Of the task that runs the stack.
    pub(super) waker: Option<Waker>,
}

/// Returns the time in smoltcp's type, in microseconds.
pub(crate) fn now() -> Instant {
    Instant::from_micros(i64::try_from(embassy_time::Instant::now().as_micros()).unwrap_or(i64::MAX))
}

impl Engine {
    pub(super) fn new(nic: &dyn Nic, state: &InterfaceState, seed: u64) -> Self {
        let capabilities = device::capabilities(nic);
        let interface = mtu::interface(&capabilities, seed);
        let ipv6 = Ipv6::new(state.function, nic.mac().0, device::mtu(nic), state.ipv6.clone(), seed);
        let hostname = state.config().hostname.clone();
        let address = AddressAssignment::new(state.source, nic.mac(), hostname, seed, now());
        Self {
            interface,
            sockets: SocketTable::new(),
            datagrams: UdpTable::default(),
            raw: RawTable::default(),
            no_sockets: SocketSet::new(Vec::new()),
            tcp: Tcp::new(device::mtu(nic), seed),
            link: Link::new(nic.mac(), device::mtu(nic), seed, ipv6),
            responder: Box::new(Responder::new(seed)),
            config_version: 0,
            address,
            mtu: capabilities.max_transmission_unit,
            capabilities,
            software_checksums: checksum::are_in_software(&nic.capabilities().checksum),
            echo_limit: RateLimit::new(ECHO_REPLIES_PER_SECOND, ECHO_BURST),
            error_limit: RateLimit::new(ERRORS_PER_SECOND, ERROR_BURST),
            waker: None,
        }
    }

    /// Queues a socket after a call that may make it send, and wakes the task that runs the stack.
    pub(super) fn queue_and_wake(&mut self, socket: SocketId) {
        // One that is queued has woken it.
        if self.sockets.queue(socket) {
            self.waker.as_ref().inspect(|waker| waker.wake_by_ref());
        }
    }

    /// As [`queue_and_wake`](Self::queue_and_wake), for the datagrams of a UDP socket.
    pub(super) fn queue_datagrams_and_wake(&mut self, socket: UdpId) {
        self.datagrams.queue(socket);
        self.waker.as_ref().inspect(|waker| waker.wake_by_ref());
    }

    /// Sends a packet of a protocol in the next poll.
    pub(super) fn send_raw(
        &mut self,
        destination: IpAddr,
        protocol: u8,
        time_to_live: u8,
        payload: &[u8],
    ) -> Result<(), SendError> {
        let IpAddr::V4(destination) = destination else { return Err(SendError::InvalidAddress) };
        if destination.is_unspecified() {
            return Err(SendError::InvalidAddress);
        }
        if payload.len() > usize::from(u16::MAX) - IPV4_HEADER {
            return Err(SendError::TooLong);
        }
        let mut packet = Vec::new();
        packet.try_reserve_exact(IPV4_HEADER + payload.len()).map_err(|_| SendError::NoRoom)?;
        packet.resize(IPV4_HEADER, 0);
        packet.extend_from_slice(payload);
        ipv4::write_header(&mut packet, payload.len(), protocol, self.link.address(), destination);
        ipv4::set_time_to_live(&mut packet, time_to_live);
        self.link.enqueue(packet).map_err(|_| SendError::NoRoom)?;
        self.waker.as_ref().inspect(|waker| waker.wake_by_ref());
        Ok(())
    }

    /// Updates a socket's deadline after its state may have changed. `is_egress` if it was polled for packets.
    pub(super) fn reschedule(&mut self, socket: SocketId, is_egress: bool, now: Instant) {
        let Some(entry) = self.sockets.entry(socket) else { return };
        let at = self.interface.poll_at(now, &entry.set);
        if entry.has_ended() {
            return self.retire(socket, is_egress, now);
        }
        self.sockets.set_deadline(socket, at, now);
    }

    /// Sends what is due while the card has room. Returns whether a budget ended before the queue.
    pub(super) fn send(&mut self, sender: &mut FrameSender<'_, '_>, now: Instant) -> bool {
        self.tick(now);
        if self.tcp.has_outgoing() {
            self.send_controls(sender, now);
        }
        let has_more = self.send_datagrams(sender, now) | self.send_sockets(sender, now);
        if self.tcp.has_outgoing() {
            self.send_controls(sender, now);
        }
        self.link.poll(sender, now);
        self.ipv6_failures(now);
        while let Some(error) = self.link.take_error() {
            self.report(&error, now);
        }
        // An error may have queued a socket.
        has_more || (self.sockets.has_queued() && !sender.is_full)
    }

    /// Sends the segments of the TCP wrapper.
    #[cold]
    fn send_controls(&mut self, sender: &mut FrameSender<'_, '_>, now: Instant) {
        while self.tcp.has_outgoing() && sender.has_room() {
            let Some(control) = self.tcp.next_outgoing() else { return };
            let mut packet = [0; MAX_CONTROL_BYTES];
            let packet = &mut packet[..control.packet_bytes()];
            control.write(packet);
            self.link.egress(packet, sender, now);
        }
    }

    /// Sends the datagrams of queued UDP sockets while the card has room. Returns whether the budget ended before.
    fn send_datagrams(&mut self, sender: &mut FrameSender<'_, '_>, now: Instant) -> bool {
        let mut budget = SEND_BUDGET;
        while let Some(socket) = self.datagrams.next_queued() {
            let Some(entry) = self.datagrams.get(socket) else { continue };
            while budget > 0 && !entry.to_send.is_empty() && sender.has_room() {
                let port = entry.port;
                if let Ok((destination, payload)) = entry.to_send.dequeue() {
                    datagram::send(&mut self.link, port, destination, payload, sender, now);
                }
                budget -= 1;
            }
            if let Some(waker) = entry.send_waker.take() {
                waker.wake();
            }
            if !entry.to_send.is_empty() {
                self.datagrams.queue(socket);
                return budget == 0;
            }
        }
        false
    }

    fn send_sockets(&mut self, sender: &mut FrameSender<'_, '_>, now: Instant) -> bool {
        for _ in 0..SEND_BUDGET {
            let Some(socket) = self.sockets.next_queued() else { return false };
            let Some(entry) = self.sockets.entry(socket) else { continue };
            let remote = entry.remote_address();
            let next_hop = remote.and_then(|remote| self.link.resolve_ip(remote, now));
            let max_bytes = self.tcp.max_packet_bytes(remote, now);
            let Entry { set, connection, .. } = entry;
            let mut egress = EgressDevice {
                sender,
                link: &mut self.link,
                next_hop,
                connection: connection.as_mut(),
                max_bytes,
                scratch: &mut self.tcp.scratch,
                software_checksums: self.software_checksums,
                now,
            };
            let result = self.interface.poll_egress(now, &mut egress, set);
            if sender.is_full {
                // The card wakes the task when there is room.
                self.sockets.queue(socket);
                return false;
            }
            let has_sent = result == PollResult::SocketStateChanged;
            if !(has_sent && self.sockets.has_sent_last(socket, now)) {
                self.reschedule(socket, true, now);
            }
        }
        true
    }

    /// Returns a time before which nothing is due, if the card had room for all that was.
    pub(super) fn deadline(&mut self) -> Instant {
        let dhcp = self.address.dhcp_client().and_then(|client| client.deadline()).unwrap_or(NEVER);
        let mdns = self.responder.deadline().unwrap_or(NEVER);
        let retry = self.address.retry_at().filter(|at| *at > now()).unwrap_or(NEVER);
        let tcp = self.tcp.next_tick;
        self.sockets.deadline().min(self.link.deadline()).min(tcp).min(dhcp).min(mdns).min(retry)
    }
}
