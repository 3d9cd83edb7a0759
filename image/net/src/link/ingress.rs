//! What a received frame carries, and the answers to ARP.

use alloc::vec::Vec;
use core::net::Ipv4Addr;

use smoltcp::time::Instant;

use super::arp::{ARP_FRAME, ArpPacket, Operation};
use super::drops::DropReason;
use super::ethernet::{self, ETHERNET_HEADER, EthernetHeader};
use super::ipv4::{Ipv4Header, PROTOCOL_UDP};
use super::sender::ReplySender;
use super::{DHCP_CLIENT_PORT, Ingress, Link};
use crate::mac::Mac;

impl Link {
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
            || (self.is_group(header.destination)
                && (!header.destination.is_multicast() || self.is_member(header.destination)))
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
        self.conflicts.check(&packet, self.address, now);
        self.idle_until = Instant::ZERO;
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

    /// Adds a fragment. Returns the whole packet if it was the last one that was missing.
    #[cold]
    pub(crate) fn reassemble(
        &mut self,
        packet: &[u8],
        header: &Ipv4Header,
        reply: &ReplySender<'_>,
        now: Instant,
    ) -> Option<Vec<u8>> {
        self.reassembly.add(packet, header, now).unwrap_or_else(|_| {
            reply.drop_packet(DropReason::Fragment);
            None
        })
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
