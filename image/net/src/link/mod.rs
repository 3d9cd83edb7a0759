//! The link layer: Ethernet, ARP, neighbours and routes, below smoltcp, which works on IP packets.
//!
//! [`Link::ingress`] takes a received frame and returns the IP packet in it, or consumes it. To send a packet,
//! [`Link::resolve`] returns the Ethernet address of its next hop, and [`Link::write_header`] completes the frame;
//! [`Link::egress`] does both for a packet in memory, which waits if the next hop is not known. [`Link::poll`] sends
//! what is due then, and [`Link::deadline`] is when to call it next.

mod arp;
mod drops;
pub(crate) mod ethernet;
pub(crate) mod ipv4;
mod neighbours;
mod routes;
mod sender;

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

use smoltcp::time::Instant;

use self::arp::{ARP_FRAME, ArpPacket, Operation};
use self::ethernet::{ETHERNET_HEADER, EthernetHeader};
use self::ipv4::{Ipv4Header, PROTOCOL_UDP};
use self::neighbours::{NeighbourTable, Output, Request};
use self::routes::{Route, Routes};
use crate::config::InterfaceConfig;
use crate::ipv6::Ipv6;
use crate::mac::Mac;

pub use self::drops::{DropReason, Drops};
pub(crate) use self::sender::{FrameSender, ReplySender};

/// The UDP port of DHCP clients (RFC 2131, 4.1), which receive before they have an address.
pub(crate) const DHCP_CLIENT_PORT: u16 = 68;

/// The first byte of multicast addresses; those above are reserved, but for the broadcast address.
const FIRST_GROUP: u8 = 224;

/// What a received frame was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ingress {
    /// An IPv4 packet for this host, behind the Ethernet header.
    Ipv4(Ipv4Header),
    /// An IPv6 packet, not verified, behind the Ethernet header.
    Ipv6,
    /// Nothing for the layers above.
    Consumed,
}

/// The link layer of one interface.
pub(crate) struct Link {
    mac: Mac,
    /// The IPv4 address; unspecified for none.
    address: Ipv4Addr,
    prefix_length: u8,
    /// The broadcast address of its network; unspecified for none.
    broadcast: Ipv4Addr,
    routes: Routes,
    neighbours: NeighbourTable,
    pub(crate) ipv6: Ipv6,
    /// Memory for one packet.
    scratch: Vec<u8>,
}

impl Link {
    /// Creates the link layer of a card without an IPv4 address, for packets of up to `mtu` bytes.
    pub(crate) fn new(mac: Mac, mtu: usize, seed: u64, ipv6: Ipv6) -> Self {
        Self {
            mac,
            address: Ipv4Addr::UNSPECIFIED,
            prefix_length: 32,
            broadcast: Ipv4Addr::UNSPECIFIED,
            routes: Routes::default(),
            neighbours: NeighbourTable::new(seed),
            ipv6,
            scratch: alloc::vec![0; mtu],
        }
    }

    /// Sets the IPv4 address and routes. Neighbours of another network are forgotten.
    pub(crate) fn set_config(&mut self, config: &InterfaceConfig, now: Instant) {
        let own = config.ipv4_address().and_then(|own| match own.address {
            IpAddr::V4(address) => Some((address, own.prefix_length)),
            IpAddr::V6(_) => None,
        });
        let (address, prefix_length) = own.unwrap_or((Ipv4Addr::UNSPECIFIED, 32));
        if (address, prefix_length) != (self.address, self.prefix_length) {
            self.neighbours.clear();
        }
        (self.address, self.prefix_length) = (address, prefix_length);
        // A network of one or two addresses has no broadcast address (RFC 3021).
        self.broadcast = match prefix_length {
            31.. => Ipv4Addr::UNSPECIFIED,
            _ => Ipv4Addr::from_bits(address.to_bits() | !routes::mask(prefix_length)),
        };
        self.routes.clear();
        if address.is_unspecified() {
            return;
        }
        self.routes.add(Route::new(address, prefix_length, None));
        for route in &config.routes {
            let IpAddr::V4(destination) = route.destination else { continue };
            let gateway = match route.gateway {
                Some(IpAddr::V4(gateway)) => Some(gateway),
                Some(IpAddr::V6(_)) => continue,
                None => None,
            };
            if let Some(gateway) = gateway {
                // It is on the link, even if its address is not within the network (as RFC 3442 allows, and clouds do).
                if !self.is_on_link(gateway) {
                    self.routes.add(Route::new(gateway, 32, None));
                }
                self.neighbours.set_router(gateway.to_bits(), now);
            }
            self.routes.add(Route::new(destination, route.prefix_length, gateway));
        }
    }

    /// Handles a received frame.
    #[inline]
    pub(crate) fn ingress(&mut self, frame: &[u8], reply: &mut ReplySender<'_>, now: Instant) -> Ingress {
        let Some(header) = EthernetHeader::parse(frame) else { return drop_packet(reply, DropReason::Malformed) };
        let is_group = header.destination.0[0] & 1 != 0;
        if !is_group && header.destination != self.mac {
            return drop_packet(reply, DropReason::NotForUs);
        }
        let payload = &frame[ETHERNET_HEADER..];
        match header.ethertype {
            ethernet::IPV4 => self.ingress_ipv4(payload, is_group, reply),
            ethernet::ARP => {
                self.ingress_arp(payload, header.source, reply, now);
                Ingress::Consumed
            }
            ethernet::IPV6 => Ingress::Ipv6,
            _ => drop_packet(reply, DropReason::UnknownEthertype),
        }
    }

    #[inline]
    fn ingress_ipv4(&mut self, packet: &[u8], is_group: bool, reply: &mut ReplySender<'_>) -> Ingress {
        let Some(header) = Ipv4Header::parse(packet) else { return drop_packet(reply, DropReason::Malformed) };
        if !self.is_valid_source(header.source) {
            return drop_packet(reply, DropReason::InvalidSource);
        }
        // A broadcast frame with a packet for one host is dropped (RFC 1122, 3.3.6).
        let is_for_us = (header.destination == self.address && !is_group && !self.address.is_unspecified())
            || self.is_group(header.destination)
            || is_for_dhcp_client(packet, &header);
        if is_for_us { Ingress::Ipv4(header) } else { drop_packet(reply, DropReason::NotForUs) }
    }

    /// Returns whether another host may send from this address (RFC 1122, 3.2.1.3).
    #[inline]
    fn is_valid_source(&self, source: Ipv4Addr) -> bool {
        let first = source.octets()[0];
        let is_unicast = first != 0 && first != 127 && first < 224;
        is_unicast && source != self.address && source != self.broadcast
    }

    /// Returns whether packets to this address are for several hosts: broadcast or multicast.
    #[inline]
    pub(crate) fn is_group(&self, address: Ipv4Addr) -> bool {
        address.is_broadcast() || address.is_multicast() || (address == self.broadcast && !address.is_unspecified())
    }

    fn ingress_arp(&mut self, payload: &[u8], source: Mac, reply: &mut ReplySender<'_>, now: Instant) {
        let Some(packet) = ArpPacket::parse(payload) else { return reply.drop_packet(DropReason::Malformed) };
        // Zero, broadcast and multicast addresses belong to no station.
        let is_valid = packet.sender_mac.is_unicast() && packet.sender_mac == source && source != self.mac;
        if !is_valid {
            return reply.drop_packet(DropReason::InvalidSource);
        }
        let is_for_us = packet.target == self.address && !packet.target.is_unspecified();
        if self.is_valid_source(packet.sender) {
            self.neighbours.learn(&packet, is_for_us && self.is_on_link(packet.sender), now);
        } else if !packet.sender.is_unspecified() {
            return reply.drop_packet(DropReason::InvalidSource);
        }
        if is_for_us && packet.operation == Operation::Request {
            let answer = packet.reply(self.mac);
            reply.send(ARP_FRAME, &mut |frame| answer.write_frame(frame, packet.sender_mac));
        }
    }

    /// Returns whether a host is reached without a router.
    pub(crate) fn is_on_link(&self, address: Ipv4Addr) -> bool {
        self.routes.next_hop(address.to_bits()) == Some(address.to_bits())
    }

    /// Returns the Ethernet address of the next hop to `destination`; `None` if it is not known, or there is no route.
    #[inline]
    pub(crate) fn resolve(&mut self, destination: Ipv4Addr, now: Instant) -> Option<Mac> {
        // A default route does not lead to groups.
        if destination.octets()[0] >= FIRST_GROUP {
            return self.resolve_group(destination);
        }
        let next_hop = self.routes.next_hop(destination.to_bits());
        let known = next_hop.and_then(|next_hop| self.neighbours.lookup(next_hop, now));
        known.or_else(|| self.resolve_group(destination))
    }

    /// As [`resolve`](Self::resolve), for both protocols.
    #[inline]
    pub(crate) fn resolve_ip(&mut self, destination: IpAddr, now: Instant) -> Option<Mac> {
        match destination {
            IpAddr::V4(destination) => self.resolve(destination, now),
            IpAddr::V6(destination) => self.ipv6.resolve(&destination, now),
        }
    }

    #[cold]
    fn resolve_group(&self, destination: Ipv4Addr) -> Option<Mac> {
        if destination.is_multicast() {
            // RFC 1112, 6.4.
            let [_, b, c, d] = destination.octets();
            return Some(Mac([0x01, 0x00, 0x5e, b & 0x7f, c, d]));
        }
        self.is_group(destination).then_some(Mac::BROADCAST)
    }

    /// Writes the Ethernet header of a frame whose packet is written.
    #[inline]
    pub(crate) fn write_header(&self, frame: &mut [u8], destination: Mac) {
        let ethertype = frame.get(ETHERNET_HEADER..).map_or(ethernet::IPV4, ethernet::ethertype_of);
        EthernetHeader { destination, source: self.mac, ethertype }.write(frame);
    }

    /// Sends a packet, or queues it until the Ethernet address of its next hop is known.
    pub(crate) fn egress(&mut self, packet: &[u8], sender: &mut FrameSender<'_, '_>, now: Instant) {
        match self.resolve_ip(ip_destination_of(packet), now) {
            Some(destination) => self.send_frame(packet, destination, sender),
            None => self.queue(packet, sender.traffic, now),
        }
    }

    /// Queues a packet until the Ethernet address of its next hop is known.
    pub(crate) fn queue(&mut self, packet: &[u8], traffic: &crate::traffic::Traffic, now: Instant) {
        if ethernet::ethertype_of(packet) == ethernet::IPV6 {
            return self.ipv6.queue(packet, &traffic.drops, now);
        }
        let next_hop = self.routes.next_hop(ipv4::destination_of(packet).to_bits());
        let result = next_hop.ok_or(DropReason::NoRoute).and_then(|hop| self.neighbours.queue(hop, packet, now));
        if let Err(reason) = result {
            traffic.drops.count(reason);
        }
    }

    fn send_frame(&self, packet: &[u8], destination: Mac, sender: &mut FrameSender<'_, '_>) {
        sender.send(ETHERNET_HEADER + packet.len(), &mut |frame| {
            frame[ETHERNET_HEADER..].copy_from_slice(packet);
            self.write_header(frame, destination);
        });
    }

    /// Calls `write` with memory for a packet of `length` bytes, and `then` with what was written.
    pub(crate) fn with_scratch<R>(
        &mut self,
        length: usize,
        write: impl FnOnce(&mut [u8]) -> R,
        then: impl FnOnce(&mut Self, &[u8]),
    ) -> R {
        let mut packet = core::mem::take(&mut self.scratch);
        if packet.len() < length {
            packet.resize(length, 0);
        }
        let result = write(&mut packet[..length]);
        then(self, &packet[..length]);
        self.scratch = packet;
        result
    }

    /// Sends the requests that are due, and the packets whose next hop is known now.
    pub(crate) fn poll(&mut self, sender: &mut FrameSender<'_, '_>, now: Instant) {
        if now >= self.neighbours.deadline() {
            let (mac, address) = (self.mac, self.address);
            self.neighbours.poll(now, &mut LinkOutput { mac, address, sender });
        }
        self.ipv6.poll(sender, now);
    }

    /// Returns a time before which [`poll`](Self::poll) has nothing to do.
    pub(crate) fn deadline(&self) -> Instant {
        self.neighbours.deadline().min(self.ipv6.deadline())
    }
}

/// Returns the destination of a packet of either protocol.
fn ip_destination_of(packet: &[u8]) -> IpAddr {
    match packet.get(24..).and_then(|rest| rest.first_chunk::<16>()) {
        Some(destination) if ethernet::ethertype_of(packet) == ethernet::IPV6 => IpAddr::from(*destination),
        _ => ipv4::destination_of(packet).into(),
    }
}

fn drop_packet(reply: &ReplySender<'_>, reason: DropReason) -> Ingress {
    reply.drop_packet(reason);
    Ingress::Consumed
}

/// Returns whether this is a datagram for a DHCP client, whose address may be that which is being offered.
#[cold]
fn is_for_dhcp_client(packet: &[u8], header: &Ipv4Header) -> bool {
    let port = packet.get(header.header_length + 2..header.header_length + 4);
    header.protocol == PROTOCOL_UDP && header.fragment == 0 && port == Some(&DHCP_CLIENT_PORT.to_be_bytes())
}

/// Where the neighbour table sends to.
struct LinkOutput<'l, 'a, 'c> {
    mac: Mac,
    address: Ipv4Addr,
    sender: &'l mut FrameSender<'a, 'c>,
}

impl Output for LinkOutput<'_, '_, '_> {
    fn has_room(&mut self) -> bool {
        self.sender.has_room()
    }

    fn request(&mut self, request: Request) {
        let packet = ArpPacket::request(self.mac, self.address, Ipv4Addr::from_bits(request.target));
        self.sender.send(ARP_FRAME, &mut |frame| packet.write_frame(frame, request.destination));
    }

    fn packet(&mut self, packet: &[u8], destination: Mac) {
        let (source, ethertype) = (self.mac, ethernet::ethertype_of(packet));
        self.sender.send(ETHERNET_HEADER + packet.len(), &mut |frame| {
            frame[ETHERNET_HEADER..].copy_from_slice(packet);
            EthernetHeader { destination, source, ethertype }.write(frame);
        });
    }

    fn unreachable(&mut self, _packet: &[u8]) {
        self.sender.drop_packet(DropReason::NeighbourUnreachable);
    }
}
