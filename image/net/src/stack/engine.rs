//! What all users of a stack share: smoltcp's interface, the table of the sockets, and the link layer.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::task::Waker;

use smoltcp::iface::{Interface, SocketSet};
use smoltcp::phy::DeviceCapabilities;
use smoltcp::time::Instant;

use super::address::AddressAssignment;
use super::checksum;
use super::device;
use super::mtu;
use super::raw::{self, RawTable};
use super::socket_table::{SocketId, SocketTable};
use super::tcp::{Held, Tcp};
use super::udp::{SendError, UdpId, UdpTable};
use crate::interface_state::InterfaceState;
use crate::ipv6::Ipv6;
use crate::link::Link;
use crate::mdns::Responder;
use crate::nic::Nic;
use crate::rate_limit::RateLimit;

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
    /// Of a run, while a poll receives.
    pub(super) held: Option<Held>,
    pub(super) link: Link,
    /// Of multicast DNS.
    pub(super) responder: Box<Responder>,
    /// Whether its groups are joined.
    pub(super) has_responder_groups: bool,
    /// The version of the configuration that the responder has.
    pub(super) config_version: u64,
    pub(super) address: AddressAssignment,
    /// The time before which nothing is [due](super::due) but what the table of sockets and TCP know.
    pub(super) idle_until: Instant,
    /// Of the card.
    pub(super) capabilities: DeviceCapabilities,
    /// The maximum length of a packet.
    pub(super) mtu: usize,
    /// The maximum length of a packet with a TCP segment that the card splits; 0 if it splits none.
    pub(super) max_large_packet: usize,
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
        let max_large_packet = nic.max_large_packet();
        let interface = mtu::interface(&capabilities, max_large_packet, seed);
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
            held: None,
            link: Link::new(nic.mac(), device::mtu(nic), seed, ipv6),
            responder: Box::new(Responder::new(seed)),
            has_responder_groups: false,
            config_version: 0,
            address,
            idle_until: Instant::ZERO,
            mtu: capabilities.max_transmission_unit,
            capabilities,
            max_large_packet,
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

    /// Wakes the task that runs the stack after a change that is due at once.
    pub(super) fn wake_for_change(&mut self) {
        self.idle_until = Instant::ZERO;
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
        if destination.is_unspecified() {
            return Err(SendError::InvalidAddress);
        }
        let packet = match destination {
            IpAddr::V4(destination) => raw::packet(self.link.address(), destination, protocol, time_to_live, payload)?,
            IpAddr::V6(destination) => {
                let source = self.ipv6_source_for(&destination).ok_or(SendError::InvalidAddress)?;
                raw::packet6(source, destination, protocol, time_to_live, payload)?
            }
        };
        self.link.enqueue(packet).map_err(|_| SendError::NoRoom)?;
        self.wake_for_change();
        Ok(())
    }
}
