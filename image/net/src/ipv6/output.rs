//! What is sent: the next hop of packets, and the messages that are due.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::{Ipv6Addr, SocketAddrV6};

use smoltcp::time::Instant;

use super::Ipv6;
use super::address::{ALL_DHCP_SERVERS, ALL_ROUTERS, multicast_mac, solicited_node};
use super::addresses::AddressEvent;
use super::dhcpv6::{CLIENT_PORT, SERVER_PORT};
use super::frame::{
    ControlFrame, ETHERNET_HEADER, ETHERTYPE_IPV6, Endpoints, MIN_MTU, PAYLOAD, UDP, address_at, fill_checksum,
    write_headers,
};
use super::icmp;
use super::mld::Report;
use super::ndp;
use super::neighbor::{NeighborEvent, Solicitation};
use crate::link::{DropReason, Drops, FrameSender};
use crate::mac::Mac;

/// Own frames that wait for room in the card.
const MAX_PENDING: usize = 64;
/// The longest payload of a datagram of the stack itself.
const MAX_DATAGRAM: usize = 1024;

/// How a packet leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NextHop {
    /// To this Ethernet address.
    Mac([u8; 6]),
    /// After this neighbour has answered.
    Wait(Ipv6Addr),
    /// Not at all: there is no route.
    Unreachable,
}

/// Adds a copy of a frame, if there is room.
pub(super) fn push_bounded(frames: &mut VecDeque<Vec<u8>>, frame: &[u8]) {
    let mut copy = Vec::new();
    if frames.len() < MAX_PENDING && copy.try_reserve_exact(frame.len()).is_ok() && frames.try_reserve(1).is_ok() {
        copy.extend_from_slice(frame);
        frames.push_back(copy);
    }
}

/// Calls `send` with the packet of a datagram. One that is longer than [`MAX_DATAGRAM`] is not sent.
pub(crate) fn with_datagram(
    (source, destination): (SocketAddrV6, SocketAddrV6),
    hop_limit: u8,
    payload: &[u8],
    send: impl FnOnce(&[u8]),
) {
    let mut frame = [0; PAYLOAD + 8 + MAX_DATAGRAM];
    let Some(frame) = frame.get_mut(..PAYLOAD + 8 + payload.len()) else { return };
    // Of the frame, only the packet is used.
    let no_mac = [0; 6];
    let (from, to) = (*source.ip(), *destination.ip());
    let ends = Endpoints { source_mac: no_mac, destination_mac: no_mac, source: from, destination: to };
    let length = 8 + payload.len();
    write_headers(frame, &ends, UDP, hop_limit, length);
    let length = u16::try_from(length).unwrap_or_default();
    for (place, word) in frame[PAYLOAD..PAYLOAD + 6].chunks_mut(2).zip([source.port(), destination.port(), length]) {
        place.copy_from_slice(&word.to_be_bytes());
    }
    frame[PAYLOAD + 8..].copy_from_slice(payload);
    fill_checksum(frame, UDP, PAYLOAD, PAYLOAD + 6);
    send(&frame[ETHERNET_HEADER..]);
}

impl Ipv6 {
    /// Returns how a packet to `destination` leaves; begins to look for the next hop where its address is not known.
    pub(crate) fn next_hop(&mut self, destination: &Ipv6Addr, now: Instant) -> NextHop {
        if !super::IS_BUILT_IN {
            return NextHop::Unreachable;
        }
        if destination.is_multicast() {
            return NextHop::Mac(multicast_mac(destination));
        }
        let Some(next_hop) = self.route(destination) else { return NextHop::Unreachable };
        match self.neighbors.lookup(&next_hop, now) {
            Some(mac) => NextHop::Mac(mac),
            None => {
                // Another router may answer.
                self.route_cache = None;
                NextHop::Wait(next_hop)
            }
        }
    }

    fn route(&mut self, destination: &Ipv6Addr) -> Option<Ipv6Addr> {
        if let Some((_, next_hop)) = self.route_cache.filter(|(cached, _)| cached == destination) {
            return Some(next_hop);
        }
        let neighbors = &self.neighbors;
        let next_hop = self.routers.next_hop(destination, |router| neighbors.is_reachable(router))?;
        self.route_cache = Some((*destination, next_hop));
        Some(next_hop)
    }

    /// Returns whether a host is reached without a router.
    pub(crate) fn is_on_link(&mut self, destination: &Ipv6Addr) -> bool {
        self.route(destination).is_some_and(|next_hop| next_hop == *destination)
    }

    /// Returns the Ethernet address of the next hop to `destination`, if it is known; begins to look for it otherwise.
    pub(crate) fn resolve(&mut self, destination: &Ipv6Addr, now: Instant) -> Option<Mac> {
        if let NextHop::Mac(mac) = self.next_hop(destination, now) { Some(Mac(mac)) } else { None }
    }

    /// Keeps a packet until its next hop has answered.
    pub(crate) fn queue(&mut self, packet: &[u8], now: Instant) -> Result<(), DropReason> {
        let destination = address_at(packet, 24).ok_or(DropReason::Malformed)?;
        let NextHop::Wait(next_hop) = self.next_hop(&destination, now) else { return Err(DropReason::NoRoute) };
        let is_queued = self.waiting.push_packet(next_hop, packet, self.mac);
        if is_queued { Ok(()) } else { Err(DropReason::NeighbourQueueFull) }
    }

    /// Notes that a peer has answered a packet, which confirms its next hop.
    pub(crate) fn confirm(&mut self, peer: &Ipv6Addr, now: Instant) {
        if let Some(next_hop) = self.route(peer) {
            self.neighbors.confirm(&next_hop, now);
        }
    }

    /// Notes that a peer has not answered a packet, which makes its next hop doubtful.
    pub(crate) fn suspect(&mut self, peer: &Ipv6Addr, now: Instant) {
        if let Some(next_hop) = self.route(peer) {
            self.neighbors.suspect(&next_hop, now);
        }
    }

    /// Returns the length of the longest packet.
    pub(crate) fn mtu(&self) -> usize {
        self.advertised.mtu.map_or(self.card_mtu, usize::from).max(MIN_MTU)
    }

    pub(super) fn next_identification(&mut self) -> u32 {
        self.identification = self.identification.wrapping_add(1);
        self.identification
    }

    /// Sends a frame of own making: in fragments, if its packet is longer than the link allows.
    pub(crate) fn send_fragments(&mut self, frame: &[u8]) {
        self.idle_until = Instant::ZERO;
        let (mtu, identification) = (self.mtu(), self.next_identification());
        let pending = &mut self.pending;
        icmp::fragment(frame, mtu, identification, &mut |part| push_bounded(pending, part));
    }

    /// Sends a packet that is longer than the link allows to a neighbour, in fragments.
    pub(crate) fn send_long(&mut self, packet: &[u8], destination: Mac) {
        let mut frame = Vec::new();
        if frame.try_reserve_exact(ETHERNET_HEADER + packet.len()).is_ok() {
            frame.extend_from_slice(&destination.0);
            frame.extend_from_slice(&self.mac);
            frame.extend_from_slice(&ETHERTYPE_IPV6);
            frame.extend_from_slice(packet);
            self.send_fragments(&frame);
        }
    }

    /// Takes a frame that was dropped since its next hop does not answer.
    pub(crate) fn take_failed(&mut self) -> Option<Vec<u8>> {
        self.failed.pop_front()
    }

    /// Returns a time before which [`poll`](Self::poll) has nothing to do.
    #[inline]
    pub(crate) fn deadline(&self) -> Instant {
        if self.is_up { self.idle_until.min(self.neighbors.deadline()) } else { super::NEVER }
    }

    /// Returns the earliest deadline of all parts but the neighbours.
    fn next_deadline(&self) -> Instant {
        let is_pending = !(self.pending.is_empty() && self.resolved.is_empty());
        let now_if_pending = if is_pending { Instant::ZERO } else { super::NEVER };
        let deadlines = [
            self.addresses.deadline(),
            self.routers.deadline(),
            self.listener.deadline(),
            self.advertised.deadline(),
            self.dhcp.deadline(),
            self.reassembly.deadline(),
        ];
        deadlines.into_iter().fold(now_if_pending, Instant::min)
    }

    /// Sends what is due at `now`, while the card has room.
    #[inline]
    pub(crate) fn poll(&mut self, sender: &mut FrameSender<'_, '_>, now: Instant) {
        if super::IS_BUILT_IN && now >= self.deadline() {
            self.send_due(sender, now);
            self.idle_until = self.next_deadline();
        }
    }

    fn send_due(&mut self, sender: &mut FrameSender<'_, '_>, now: Instant) {
        self.reassembly.expire(now);
        let is_route_gone = self.routers.expire(now);
        if is_route_gone | self.advertised.expire(now) {
            (self.is_config_changed, self.route_cache) = (true, None);
        }
        self.poll_addresses(now);
        self.poll_neighbors(&sender.traffic.drops, now);
        while let Some(report) = self.listener.poll(now) {
            self.push_report(&report, now);
        }
        let random = self.random();
        if self.routers.is_solicitation_due(now, random) {
            self.push_router_solicitation();
        }
        self.poll_dhcp(now);
        while let Some((next_hop, mac)) = self.resolved.pop_front() {
            while let Some(mut frame) = self.waiting.take(&next_hop) {
                frame[..6].copy_from_slice(&mac);
                match frame.len() <= ETHERNET_HEADER + self.mtu() {
                    true => push_bounded(&mut self.pending, &frame),
                    false => self.send_fragments(&frame),
                }
            }
        }
        while let Some(frame) = self.pending.front().filter(|_| sender.has_room()) {
            sender.send(frame.len(), &mut |buffer| buffer.copy_from_slice(frame));
            self.pending.pop_front();
        }
    }

    fn poll_addresses(&mut self, now: Instant) {
        while let Some(event) = self.addresses.poll(now, self.neighbors.retransmit_time()) {
            match event {
                AddressEvent::Detect(address) => {
                    self.push(Ipv6Addr::UNSPECIFIED, solicited_node(&address), &ndp::solicitation(&address, None));
                }
                AddressEvent::Unique(own) => {
                    log::debug!("net {}: {} by {} is unique", self.function, own.address, own.source);
                }
                AddressEvent::Expired(_) => self.addresses_changed(now),
            }
        }
    }

    fn poll_neighbors(&mut self, drops: &Drops, now: Instant) {
        while let Some(event) = self.neighbors.poll(now) {
            match event {
                NeighborEvent::Solicit(solicitation) => self.push_solicitation(&solicitation, now),
                NeighborEvent::Unreachable(neighbor) => {
                    self.route_cache = None;
                    while let Some(frame) = self.waiting.take(&neighbor) {
                        drops.count(DropReason::NeighbourUnreachable);
                        push_bounded(&mut self.failed, &frame);
                    }
                }
            }
        }
    }

    fn push_solicitation(&mut self, solicitation: &Solicitation, now: Instant) {
        let target = solicitation.target;
        let Some(source) = self.addresses.source_for(&target, now) else { return };
        // An address that is not known to be unique brings no Ethernet address into caches (RFC 4429, 3.3).
        let is_optimistic = self.addresses.find(&source).is_none_or(super::addresses::OwnAddress::is_optimistic);
        let message = ndp::solicitation(&target, Some(self.mac).filter(|_| !is_optimistic));
        match solicitation.mac {
            Some(destination_mac) => {
                let ends = Endpoints { source_mac: self.mac, destination_mac, source, destination: target };
                self.push_frame(ControlFrame::icmpv6(&ends, 255, &message));
            }
            None => self.push(source, solicited_node(&target), &message),
        }
    }

    fn push_router_solicitation(&mut self) {
        let Some(own) = self.addresses.link_local().copied() else { return };
        let mac = Some(self.mac).filter(|_| !own.is_optimistic());
        self.push(own.address, ALL_ROUTERS, &ndp::router_solicitation(mac));
    }

    fn push_report(&mut self, report: &Report, now: Instant) {
        // From no address, while it is not known that it is unique (RFC 3590, 4).
        let own = self.addresses.link_local().filter(|own| !own.is_optimistic() && own.valid_until > now);
        let source = own.map_or(Ipv6Addr::UNSPECIFIED, |own| own.address);
        let ends = self.multicast_ends(source, report.destination);
        self.push_frame(ControlFrame::multicast_listener(&ends, &report.message));
    }

    fn poll_dhcp(&mut self, now: Instant) {
        let random = self.random();
        // Replies come to the link-local address: without one the exchange waits.
        let Some(source) = self.addresses.link_local().map(|own| own.address) else { return };
        if let Some(message) = self.dhcp.poll(random, now) {
            let ends = self.multicast_ends(source, ALL_DHCP_SERVERS);
            self.push_frame(ControlFrame::udp(&ends, (CLIENT_PORT, SERVER_PORT), message.as_bytes()));
        }
    }

    fn multicast_ends(&self, source: Ipv6Addr, destination: Ipv6Addr) -> Endpoints {
        Endpoints { source_mac: self.mac, destination_mac: multicast_mac(&destination), source, destination }
    }

    /// Adds a message to a group, with the hop limit of neighbour discovery.
    pub(super) fn push(&mut self, source: Ipv6Addr, group: Ipv6Addr, message: &[u8]) {
        let ends = self.multicast_ends(source, group);
        self.push_frame(ControlFrame::icmpv6(&ends, 255, message));
    }

    fn push_frame(&mut self, frame: Option<ControlFrame>) {
        if let Some(frame) = frame {
            push_bounded(&mut self.pending, frame.as_bytes());
        }
    }
}
