//! What all users of a stack share: smoltcp's interface, the table of the sockets, and the address.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::task::Waker;

use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::socket::dhcpv4;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpCidr, Ipv4Cidr};
use switchboard_runtime::command_line::AddressSource;

use super::address::AddressAssignment;
use super::checksum;
use super::device::{self, CapabilitiesDevice, EgressDevice, IngressDevice};
use super::socket_table::{SocketId, SocketTable};
use crate::config::{InterfaceAddress, InterfaceConfig};
use crate::flow::Flow;
use crate::interface_state::InterfaceState;
use crate::nic::Nic;
use crate::segment::Segment;

/// Sockets that are polled for frames in one poll of the stack. More would delay other tasks: a card that sends each frame
/// at once always has room.
const SEND_BUDGET: usize = 256;

pub(super) struct Engine {
    interface: Interface,
    pub(super) sockets: SocketTable,
    /// An empty set, for frames that are for no socket.
    no_sockets: SocketSet<'static>,
    address: AddressAssignment,
    /// Of the task that runs the stack.
    pub(super) waker: Option<Waker>,
}

/// Returns the time in smoltcp's type, in microseconds.
pub(super) fn now() -> Instant {
    Instant::from_micros(i64::try_from(embassy_time::Instant::now().as_micros()).unwrap_or(i64::MAX))
}

impl Engine {
    pub(super) fn new(nic: &dyn Nic, source: AddressSource, seed: u64) -> Self {
        let mut config = Config::new(HardwareAddress::Ethernet(EthernetAddress(nic.mac().0)));
        config.random_seed = seed;
        let interface = Interface::new(config, &mut CapabilitiesDevice(device::capabilities(nic)), now());
        let mut sockets = SocketTable::new();
        let address = AddressAssignment::new(source, &mut sockets);
        let no_sockets = SocketSet::new(Vec::new());
        Self { interface, sockets, no_sockets, address, waker: None }
    }

    /// Queues a socket after a call that may make it send, and wakes the task that runs the stack.
    pub(super) fn queue_and_wake(&mut self, socket: SocketId) {
        self.sockets.queue(socket);
        self.waker.as_ref().inspect(|waker| waker.wake_by_ref());
    }

    /// Handles a received frame.
    pub(super) fn receive(&mut self, mut ingress: IngressDevice<'_>, now: Instant) {
        let frame = ingress.frame.as_deref().unwrap_or_default();
        let segment = Segment::of(frame);
        if ingress.software_checksums && segment.as_ref().is_some_and(|segment| !checksum::is_valid(frame, segment)) {
            return;
        }
        let flow = Flow::of(frame, segment.as_ref());
        let socket = self.sockets.find(flow);
        match socket.and_then(|socket| Some((socket, self.sockets.entry(socket)?))) {
            Some((socket, entry)) => {
                self.interface.poll_ingress_single(now, &mut ingress, &mut entry.set);
                self.reschedule(socket, now);
            }
            None => {
                self.interface.poll_ingress_single(now, &mut ingress, &mut self.no_sockets);
            }
        }
        if flow == Flow::Arp {
            self.sockets.queue_all();
        }
    }

    /// Updates a socket's key and deadline after its state may have changed.
    fn reschedule(&mut self, socket: SocketId, now: Instant) {
        self.sockets.update_key(socket);
        let Some(entry) = self.sockets.entry(socket) else { return };
        let at = self.interface.poll_at(now, &entry.set);
        self.sockets.set_deadline(socket, at, now);
    }

    /// Sends the frames of queued sockets while the card has room. Returns whether the budget ended before the queue.
    pub(super) fn send(&mut self, egress: &mut EgressDevice<'_, '_>, now: Instant) -> bool {
        for _ in 0..SEND_BUDGET {
            let Some(socket) = self.sockets.next_queued() else { return false };
            let Some(entry) = self.sockets.entry(socket) else { continue };
            self.interface.poll_egress(now, egress, &mut entry.set);
            if egress.is_full {
                // The card wakes the task when there is room.
                self.sockets.queue(socket);
                return false;
            }
            self.reschedule(socket, now);
        }
        true
    }

    /// Applies a change of the address: the static one once the link is up, or what the DHCP client has found out.
    pub(super) fn update_address(&mut self, state: &InterfaceState, now: Instant) {
        if let Some(config) = self.address.poll(&mut self.sockets, state.is_up()) {
            self.set_config(config, state);
            // The client goes on, to renew its lease.
            if let Some(client) = self.address.dhcp_client() {
                self.reschedule(client, now);
            }
        }
    }

    /// Handles a change of the link. A lease is not valid on the network of the next link.
    pub(super) fn link_changed(&mut self, is_up: bool, state: &InterfaceState) {
        state.link_changed(is_up);
        if let Some(client) = self.address.dhcp_client() {
            if let Some(socket) = self.sockets.get::<dhcpv4::Socket<'_>>(client) {
                socket.reset();
            }
            if is_up {
                self.sockets.queue(client);
            } else {
                self.set_config(None, state);
            }
        }
    }

    /// Replaces the address and routes that [`AddressAssignment`] has found, and applies the whole configuration.
    fn set_config(&mut self, config: Option<InterfaceConfig>, state: &InterfaceState) {
        let source = self.address.source();
        let InterfaceConfig { addresses, routes, .. } = config.unwrap_or_default();
        if state.set_config(source, InterfaceConfig { addresses, routes, ..state.config_part(source) }) {
            self.apply_config(&state.config());
        }
    }

    fn apply_config(&mut self, config: &InterfaceConfig) {
        self.interface.update_ip_addrs(|addresses| {
            addresses.clear();
            let own = config.ipv4_address();
            if let Some((InterfaceAddress { prefix_length, .. }, IpAddr::V4(address))) =
                own.map(|own| (own, own.address))
            {
                // There is room for one.
                addresses.push(IpCidr::Ipv4(Ipv4Cidr::new(address, prefix_length))).ok();
            }
        });
        let routes = self.interface.routes_mut();
        match config.ipv4_gateway() {
            // There is room for one.
            Some(gateway) => drop(routes.add_default_ipv4_route(gateway)),
            None => drop(routes.remove_default_ipv4_route()),
        }
    }
}
