//! Received frames: checked, reassembled, answered, or handed to the sockets.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::ops::Range;

use smoltcp::time::Instant;

use super::address::is_host;
use super::dhcpv6::{CLIENT_PORT, SERVER_PORT};
use super::extension::{self, Walk};
use super::frame::{
    ETHERNET_HEADER, Endpoints, ICMPV6, IPV6_HEADER, PAYLOAD, TCP, UDP, address_at, is_checksum_valid, u16_at,
};
use super::icmp::{self, OutgoingError};
use super::output::NextHop;
use super::{Ipv6, ndp};
use crate::link::icmp::IcmpError;
use crate::link::{DropReason, ReplySender};

/// What the stack has to do with a received frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// Nothing: it was handled or dropped.
    Done,
    /// An upper-layer packet directly behind the IPv6 header: a part of the frame, which is a frame itself.
    Packet(Range<usize>),
    /// Such a frame, which was reassembled.
    Reassembled(Vec<u8>),
}

impl Ipv6 {
    /// Handles the headers of a received frame of the type IPv6. Answers in `reply` at most once.
    pub(crate) fn receive(&mut self, frame: &mut [u8], reply: &mut ReplySender<'_>, now: Instant) -> Received {
        if !super::IS_BUILT_IN {
            return Received::Done;
        }
        let Some((ends, next_header, length)) = self.header(frame, reply) else { return Received::Done };
        let frame = &mut frame[..PAYLOAD + length];
        if !matches!(next_header, TCP | UDP) {
            self.idle_until = Instant::ZERO;
            return self.with_extensions(frame, &ends, next_header, reply, now);
        }
        if self.takes(frame, &ends, next_header, now) {
            self.idle_until = Instant::ZERO;
            return Received::Done;
        }
        Received::Packet(0..frame.len())
    }

    /// Returns the addresses of a frame that is for this host, the type of its first header, and its payload's length.
    fn header(&self, frame: &[u8], reply: &ReplySender<'_>) -> Option<(Endpoints, u8, usize)> {
        let headers = frame.first_chunk::<PAYLOAD>()?;
        let length = usize::from(u16::from_be_bytes([headers[18], headers[19]]));
        let ends = Endpoints::of(headers)?;
        let Endpoints { source_mac, destination_mac, source, destination } = ends;
        let is_valid =
            headers[14] >> 4 == 6 && PAYLOAD + length <= frame.len() && (is_host(&source) || source.is_unspecified());
        if !is_valid {
            reply.drop_packet(DropReason::Malformed);
            return None;
        }
        // A packet of one host is not sent to all of the link, nor the other way round.
        let is_ours = match destination.is_multicast() {
            true => destination_mac[0] & 1 != 0 && self.listener.has(&destination),
            false => destination_mac == self.mac && self.addresses.has(&destination),
        };
        if !is_ours || self.addresses.has(&source) && source_mac != self.mac && headers[20] != ICMPV6 {
            return None;
        }
        Some((ends, headers[20], length))
    }

    fn with_extensions(
        &mut self,
        frame: &mut [u8],
        ends: &Endpoints,
        next_header: u8,
        reply: &mut ReplySender<'_>,
        now: Instant,
    ) -> Received {
        match extension::walk(next_header, &frame[PAYLOAD..], ends.destination.is_multicast()) {
            Walk::Upper { protocol, offset } => {
                // Behind a plain header: the headers move up to the upper-layer packet.
                let length = frame.len() - PAYLOAD - offset;
                frame.copy_within(..PAYLOAD, offset);
                let inner = &mut frame[offset..];
                if offset > 0 {
                    inner[ETHERNET_HEADER + 4..ETHERNET_HEADER + 6]
                        .copy_from_slice(&u16::try_from(length).unwrap_or_default().to_be_bytes());
                    inner[ETHERNET_HEADER + 6] = protocol;
                }
                match self.takes(inner, ends, protocol, now) {
                    true => Received::Done,
                    false => Received::Packet(offset..frame.len()),
                }
            }
            Walk::Fragment { fragment, offset } => {
                let data = &frame[PAYLOAD + offset..];
                let Some(mut whole) = self.reassembly.add(ends, &fragment, data, now) else { return Received::Done };
                match self.reassembled(&mut whole, ends, now) {
                    true => Received::Reassembled(whole),
                    false => Received::Done,
                }
            }
            Walk::Problem { code, offset } => {
                let parameter = u32::try_from(IPV6_HEADER + offset).unwrap_or_default();
                let error =
                    OutgoingError { hop_limit: self.hop_limit(), kind: icmp::PARAMETER_PROBLEM, code, parameter };
                self.answer_with_error(&frame[ETHERNET_HEADER..], error, code == 2, reply, now);
                Received::Done
            }
            Walk::Drop => {
                reply.drop_packet(DropReason::Malformed);
                Received::Done
            }
        }
    }

    /// Removes the headers behind the fragment header of a packet that was reassembled. Returns whether it is for the stack.
    fn reassembled(&mut self, whole: &mut Vec<u8>, ends: &Endpoints, now: Instant) -> bool {
        let walk = extension::walk(whole[20], &whole[PAYLOAD..], ends.destination.is_multicast());
        let Walk::Upper { protocol, offset } = walk else { return false };
        whole.drain(PAYLOAD..PAYLOAD + offset);
        let length = u16::try_from(whole.len() - PAYLOAD).unwrap_or_default();
        whole[ETHERNET_HEADER + 4..ETHERNET_HEADER + 6].copy_from_slice(&length.to_be_bytes());
        whole[ETHERNET_HEADER + 6] = protocol;
        !self.takes(whole, ends, protocol, now)
    }

    /// Takes an upper-layer packet, directly behind the IPv6 header, that is for no socket: one of DHCPv6, or one that cannot be
    /// of a connection. Returns whether it was.
    fn takes(&mut self, frame: &[u8], ends: &Endpoints, protocol: u8, now: Instant) -> bool {
        match protocol {
            TCP => ends.source.is_unspecified() || ends.destination.is_multicast(),
            UDP if ends.source.is_unspecified() => true,
            UDP => {
                let ports = (u16_at(frame, PAYLOAD), u16_at(frame, PAYLOAD + 2));
                let is_dhcp = ports == (Some(SERVER_PORT), Some(CLIENT_PORT));
                if is_dhcp && is_checksum_valid(frame, UDP, PAYLOAD) {
                    let random = self.random();
                    let datagram = frame.get(PAYLOAD + 8..).unwrap_or_default();
                    if let Some(learnt) = self.dhcp.receive(datagram, random, now) {
                        self.learnt(learnt, now);
                    }
                }
                is_dhcp
            }
            _ => false,
        }
    }

    /// Handles an ICMPv6 message. Returns what it reports about a packet of this host.
    pub(crate) fn control(&mut self, frame: &mut [u8], reply: &mut ReplySender<'_>, now: Instant) -> Option<IcmpError> {
        self.idle_until = Instant::ZERO;
        let ends = Endpoints::of(frame)?;
        if !is_checksum_valid(frame, ICMPV6, PAYLOAD) {
            reply.drop_packet(DropReason::Malformed);
            return None;
        }
        let (hop_limit, message) = (frame[21], &frame[PAYLOAD..]);
        match message.first().copied() {
            Some(ndp::ROUTER_SOLICITATION..=ndp::REDIRECT) => self.discovery(&ends, hop_limit, message, reply, now),
            Some(icmp::LISTENER_QUERY) if hop_limit == 1 && super::address::is_link_local(&ends.source) => {
                let random = self.random();
                self.listener.query(message, random, now);
            }
            Some(icmp::ECHO_REQUEST) if is_host(&ends.source) => self.echo(frame, &ends, reply, now),
            Some(0..128) => {
                let error = icmp::parse_error(message, ends.source)?;
                // The packet was sent from here, if the report is true.
                let IpAddr::V6(local) = error.local_address else { return None };
                return self.addresses.has(&local).then_some(error);
            }
            _ => {}
        }
        None
    }

    /// Answers an echo request.
    fn echo(&mut self, frame: &mut [u8], ends: &Endpoints, reply: &mut ReplySender<'_>, now: Instant) {
        let own = self.addresses.source_for(&ends.source, now);
        let Some(source) = icmp::answer_source(ends.destination, own) else { return };
        let next_hop = self.next_hop(&ends.source, now);
        let destination_mac = if let NextHop::Mac(mac) = next_hop { mac } else { [0; 6] };
        let answer = Endpoints { source_mac: self.mac, destination_mac, source, destination: ends.source };
        icmp::make_echo_reply(frame, &answer, self.hop_limit());
        match next_hop {
            NextHop::Mac(_) if frame.len() <= ETHERNET_HEADER + self.mtu() => {
                reply.send(frame.len(), &mut |buffer| buffer.copy_from_slice(frame));
            }
            NextHop::Mac(_) => {
                let (mtu, identification) = (self.mtu(), self.next_identification());
                let pending = &mut self.pending;
                icmp::fragment(frame, mtu, identification, &mut |part| super::output::push_bounded(pending, part));
            }
            NextHop::Wait(next_hop) => drop(self.waiting.push(next_hop, frame)),
            NextHop::Unreachable => {}
        }
    }

    /// Answers a datagram to a port that no socket has, or a segment: `packet` begins with its IPv6 header.
    pub(crate) fn port_unreachable(&mut self, packet: &[u8], reply: &mut ReplySender<'_>, now: Instant) {
        self.idle_until = Instant::ZERO;
        let error = OutgoingError {
            hop_limit: self.hop_limit(),
            kind: icmp::UNREACHABLE,
            code: icmp::PORT_UNREACHABLE,
            parameter: 0,
        };
        self.answer_with_error(packet, error, false, reply, now);
    }

    /// Answers a packet of a protocol that has no socket: `packet` begins with its IPv6 header (RFC 4443, 3.4).
    pub(crate) fn protocol_unreachable(&mut self, packet: &[u8], reply: &mut ReplySender<'_>, now: Instant) {
        self.idle_until = Instant::ZERO;
        let (kind, code) = (icmp::PARAMETER_PROBLEM, extension::UNKNOWN_NEXT_HEADER);
        let error = OutgoingError { hop_limit: self.hop_limit(), kind, code, parameter: 6 };
        self.answer_with_error(packet, error, false, reply, now);
    }

    fn answer_with_error(
        &mut self,
        packet: &[u8],
        error: OutgoingError,
        is_problem: bool,
        reply: &mut ReplySender<'_>,
        now: Instant,
    ) {
        if !icmp::may_answer(packet, is_problem) || !self.error_limit.take(now) {
            return;
        }
        let (Some(from), Some(to)) = (address_at(packet, 8), address_at(packet, 24)) else { return };
        let own = self.addresses.source_for(&from, now);
        let Some(source) = icmp::answer_source(to, own) else { return };
        let (next_hop, length) = (self.next_hop(&from, now), icmp::error_length(packet));
        let destination_mac = if let NextHop::Mac(mac) = next_hop { mac } else { [0; 6] };
        let ends = Endpoints { source_mac: self.mac, destination_mac, source, destination: from };
        match next_hop {
            NextHop::Mac(_) => reply.send(length, &mut |frame| icmp::write_error(frame, &ends, error, packet)),
            NextHop::Wait(next_hop) => {
                let mut frame = Vec::new();
                if frame.try_reserve_exact(length).is_ok() {
                    frame.extend(core::iter::repeat_n(0, length));
                    icmp::write_error(&mut frame, &ends, error, packet);
                    self.waiting.push(next_hop, &frame);
                }
            }
            NextHop::Unreachable => {}
        }
    }
}
