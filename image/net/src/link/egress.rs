//! The way of a packet to the card: its next hop, its frame, its fragments.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

use smoltcp::time::Instant;

use super::drops::DropReason;
use super::ethernet::{self, ETHERNET_HEADER, EthernetHeader};
use super::icmp::IcmpErrorKind;
use super::sender::{FrameSender, ReplySender};
use super::{FIRST_GROUP, Link, fragments, ipv4, multicast_mac};
use crate::mac::Mac;
use crate::traffic::Traffic;

/// Packets that wait for the next poll, and their bytes.
const MAX_OUTBOX_PACKETS: usize = 64;
const MAX_OUTBOX_BYTES: usize = 256 * 1024;

/// What a frame depends on, beside its packet and its destination.
#[derive(Debug, Clone, Copy)]
pub(super) struct FrameParameters {
    pub(super) source: Mac,
    /// The longest packet of a frame, in bytes.
    pub(super) mtu: usize,
    /// The identification of the fragments of a longer packet.
    pub(super) identification: u16,
}

/// Sends a packet to a neighbour, in fragments if it is longer than a frame.
pub(super) fn send_packet(
    packet: &[u8],
    parameters: FrameParameters,
    destination: Mac,
    sender: &mut FrameSender<'_, '_>,
) {
    let FrameParameters { source, mtu, identification } = parameters;
    let header = EthernetHeader { destination, source, ethertype: ethernet::ethertype_of(packet) };
    if packet.len() <= mtu {
        return sender.send(ETHERNET_HEADER + packet.len(), &mut |frame| {
            frame[ETHERNET_HEADER..].copy_from_slice(packet);
            header.write(frame);
        });
    }
    if header.ethertype != ethernet::IPV4 || packet[6] & 0x40 != 0 {
        return sender.drop_packet(DropReason::TooLong);
    }
    fragments::for_each(packet, mtu, identification, |length, write| {
        if !sender.has_room() {
            return sender.drop_packet(DropReason::SendQueueFull);
        }
        sender.send(ETHERNET_HEADER + length, &mut |frame| {
            write(&mut frame[ETHERNET_HEADER..]);
            header.write(frame);
        });
    });
}

/// Returns the destination of a packet of either protocol.
fn ip_destination_of(packet: &[u8]) -> IpAddr {
    match packet.get(24..).and_then(|rest| rest.first_chunk::<16>()) {
        Some(destination) if ethernet::ethertype_of(packet) == ethernet::IPV6 => IpAddr::from(*destination),
        _ => ipv4::destination_of(packet).into(),
    }
}

impl Link {
    pub(super) fn frame_parameters(&self) -> FrameParameters {
        FrameParameters { source: self.mac, mtu: self.mtu, identification: self.identification }
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

    /// Records that a peer has acknowledged something new: the neighbour through which it was sent is reachable
    /// (RFC 1122, 2.3.2.1; RFC 4861, 7.3.1).
    pub(crate) fn confirm(&mut self, peer: IpAddr, now: Instant) {
        match peer {
            IpAddr::V4(peer) => {
                if let Some(next_hop) = self.routes.next_hop(peer.to_bits()) {
                    self.neighbours.confirm(next_hop, now);
                }
            }
            IpAddr::V6(peer) => self.ipv6.confirm(&peer, now),
        }
    }

    /// Records that a peer has not acknowledged what was sent to it: the neighbour through which it was sent may be gone,
    /// or have another Ethernet address.
    pub(crate) fn suspect(&mut self, peer: IpAddr, now: Instant) {
        match peer {
            IpAddr::V4(peer) => {
                if let Some(next_hop) = self.routes.next_hop(peer.to_bits()) {
                    self.neighbours.suspect(next_hop, now);
                }
            }
            IpAddr::V6(peer) => self.ipv6.suspect(&peer, now),
        }
    }

    #[cold]
    fn resolve_group(&self, destination: Ipv4Addr) -> Option<Mac> {
        if destination.is_multicast() {
            return Some(multicast_mac(destination));
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
    pub(crate) fn queue(&mut self, packet: &[u8], traffic: &Traffic, now: Instant) {
        let result = match ethernet::ethertype_of(packet) {
            ethernet::IPV6 => self.ipv6.queue(packet, now),
            _ => {
                let next_hop = self.routes.next_hop(ipv4::destination_of(packet).to_bits());
                next_hop.ok_or(DropReason::NoRoute).and_then(|hop| self.neighbours.queue(hop, packet, now))
            }
        };
        if let Err(reason) = result {
            traffic.drops.count(reason);
            if reason == DropReason::NoRoute {
                self.errors.report(packet, IcmpErrorKind::NetworkUnreachable);
            }
        }
    }

    /// Sends a packet to a neighbour, in fragments if it is longer than a frame.
    fn send_frame(&mut self, packet: &[u8], destination: Mac, sender: &mut FrameSender<'_, '_>) {
        let is_ipv6 = ethernet::ethertype_of(packet) == ethernet::IPV6;
        if is_ipv6 && packet.len() > self.ipv6.mtu().min(self.mtu) {
            return self.ipv6.send_long(packet, destination);
        }
        if packet.len() > self.mtu {
            self.identification = self.identification.wrapping_add(1);
        }
        send_packet(packet, self.frame_parameters(), destination, sender);
    }

    /// Sends a packet of `length` bytes to `destination` in reply to a received frame. It waits for the next
    /// [`poll`](Self::poll) if it is longer than a frame, or its next hop is not known.
    pub(crate) fn reply(
        &mut self,
        destination: Ipv4Addr,
        length: usize,
        reply: &mut ReplySender<'_>,
        now: Instant,
        write: &mut dyn FnMut(&mut [u8]),
    ) {
        if length <= self.mtu
            && let Some(next_hop) = self.resolve(destination, now)
        {
            return reply.send(ETHERNET_HEADER + length, &mut |frame| {
                write(&mut frame[ETHERNET_HEADER..]);
                self.write_header(frame, next_hop);
            });
        }
        let mut packet = Vec::new();
        if packet.try_reserve_exact(length).is_err() {
            return reply.drop_packet(DropReason::NoMemory);
        }
        packet.resize(length, 0);
        write(&mut packet);
        if let Err(reason) = self.enqueue(packet) {
            reply.drop_packet(reason);
        }
    }

    /// Sends a packet in the next [`poll`](Self::poll).
    pub(crate) fn enqueue(&mut self, packet: Vec<u8>) -> Result<(), DropReason> {
        let bytes: usize = self.outbox.iter().map(Vec::len).sum();
        if self.outbox.len() >= MAX_OUTBOX_PACKETS || bytes + packet.len() > MAX_OUTBOX_BYTES {
            return Err(DropReason::SendQueueFull);
        }
        self.outbox.try_reserve(1).map_err(|_| DropReason::NoMemory)?;
        self.outbox.push_back(packet);
        Ok(())
    }

    /// Sends the packets of the queue while there is room.
    pub(super) fn send_outbox(&mut self, sender: &mut FrameSender<'_, '_>, now: Instant) {
        while !self.outbox.is_empty() && sender.has_room() {
            if let Some(packet) = self.outbox.pop_front() {
                self.egress(&packet, sender, now);
            }
        }
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
}
