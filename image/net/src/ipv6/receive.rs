//! Received frames: checked, reassembled, answered, or handed to the sockets.

use alloc::vec::Vec;
use core::ops::Range;

use smoltcp::time::Instant;

use super::address::is_host;
use super::dhcpv6::{CLIENT_PORT, SERVER_PORT};
use super::extension::{self, Walk};
use super::frame::{
    ETHERNET_HEADER, Endpoints, ICMPV6, IPV6_HEADER, PAYLOAD, TCP, UDP, address_at, is_checksum_valid, u16_at,
};
use super::icmp::{self, IcmpError, OutgoingError};
use super::output::NextHop;
use super::{Ipv6, ndp};
use crate::link::{DropReason, ReplySender};

/// What the stack has to do with a received frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// Nothing: it was handled or dropped.
    Done,
    /// A TCP segment or UDP datagram directly behind the IPv6 header: a packet in the frame.
    Packet(Range<usize>),
    /// A frame that was reassembled, with such a packet from [`ETHERNET_HEADER`] to its end.
    Reassembled(Vec<u8>),
    /// An error about a packet of a socket.
    Error(IcmpError),
}

impl Ipv6 {
    /// Handles a received frame of the type IPv6. Answers in `reply` at most once.
    pub(crate) fn receive(&mut self, frame: &mut [u8], reply: &mut ReplySender<'_>, now: Instant) -> Received {
        let Some((ends, next_header, length)) = self.header(frame, reply) else { return Received::Done };
        let frame = &mut frame[..PAYLOAD + length];
        if matches!(next_header, TCP | UDP) {
            let received = self.upper(frame, &ends, next_header, reply, now).into_received(0);
            if !matches!(received, Received::Packet(_)) {
                self.idle_until = Instant::ZERO;
            }
            return received;
        }
        self.idle_until = Instant::ZERO;
        self.with_extensions(frame, &ends, next_header, reply, now)
    }

    /// Returns the addresses of a frame that is for this host, the type of its first header, and its payload's length.
    fn header(&self, frame: &[u8], reply: &ReplySender<'_>) -> Option<(Endpoints, u8, usize)> {
        let headers = frame.first_chunk::<PAYLOAD>()?;
        let length = usize::from(u16::from_be_bytes([headers[18], headers[19]]));
        let (source, destination) = (address_at(headers, 22)?, address_at(headers, 38)?);
        let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, ..] = *headers;
        let (destination_mac, source_mac) = ([d0, d1, d2, d3, d4, d5], [s0, s1, s2, s3, s4, s5]);
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
        Some((Endpoints { source_mac, destination_mac, source, destination }, headers[20], length))
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
                self.upper(inner, ends, protocol, reply, now).into_received(offset)
            }
            Walk::Fragment { fragment, offset } => {
                let data = &frame[PAYLOAD + offset..];
                let Some(mut whole) = self.reassembly.add(ends, &fragment, data, now) else { return Received::Done };
                self.reassembled(&mut whole, ends, reply, now).into_whole(whole)
            }
            Walk::Problem { code, offset } => {
                let parameter = u32::try_from(IPV6_HEADER + offset).unwrap_or_default();
                let error = OutgoingError { kind: icmp::PARAMETER_PROBLEM, code, parameter };
                self.answer_with_error(&frame[ETHERNET_HEADER..], error, code == 2, reply, now);
                Received::Done
            }
            Walk::Drop => {
                reply.drop_packet(DropReason::Malformed);
                Received::Done
            }
        }
    }

    /// Handles a packet that was reassembled; its headers behind the fragment header may go on.
    fn reassembled(
        &mut self,
        whole: &mut Vec<u8>,
        ends: &Endpoints,
        reply: &mut ReplySender<'_>,
        now: Instant,
    ) -> Upper {
        let walk = extension::walk(whole[20], &whole[PAYLOAD..], ends.destination.is_multicast());
        let Walk::Upper { protocol, offset } = walk else { return Upper::Done };
        whole.drain(PAYLOAD..PAYLOAD + offset);
        let length = u16::try_from(whole.len() - PAYLOAD).unwrap_or_default();
        whole[ETHERNET_HEADER + 4..ETHERNET_HEADER + 6].copy_from_slice(&length.to_be_bytes());
        whole[ETHERNET_HEADER + 6] = protocol;
        self.upper(whole, ends, protocol, reply, now)
    }

    /// Handles an upper-layer packet, directly behind the IPv6 header.
    fn upper(
        &mut self,
        frame: &mut [u8],
        ends: &Endpoints,
        protocol: u8,
        reply: &mut ReplySender<'_>,
        now: Instant,
    ) -> Upper {
        match protocol {
            TCP if ends.source.is_unspecified() || ends.destination.is_multicast() => Upper::Done,
            TCP => Upper::Packet(frame.len()),
            UDP if ends.source.is_unspecified() => Upper::Done,
            UDP => {
                let ports = (u16_at(frame, PAYLOAD), u16_at(frame, PAYLOAD + 2));
                if ports != (Some(SERVER_PORT), Some(CLIENT_PORT)) {
                    return Upper::Packet(frame.len());
                }
                if is_checksum_valid(frame, UDP, PAYLOAD) {
                    let random = self.random();
                    let datagram = frame.get(PAYLOAD + 8..).unwrap_or_default();
                    if let Some(learnt) = self.dhcp.receive(datagram, random, now) {
                        self.learnt(learnt, now);
                    }
                }
                Upper::Done
            }
            ICMPV6 => self.control(frame, ends, reply, now),
            _ => {
                let parameter = 6;
                let error =
                    OutgoingError { kind: icmp::PARAMETER_PROBLEM, code: extension::UNKNOWN_NEXT_HEADER, parameter };
                self.answer_with_error(&frame[ETHERNET_HEADER..], error, false, reply, now);
                Upper::Done
            }
        }
    }

    /// Handles an ICMPv6 message.
    fn control(&mut self, frame: &mut [u8], ends: &Endpoints, reply: &mut ReplySender<'_>, now: Instant) -> Upper {
        if !is_checksum_valid(frame, ICMPV6, PAYLOAD) {
            reply.drop_packet(DropReason::Malformed);
            return Upper::Done;
        }
        let (hop_limit, message) = (frame[21], &frame[PAYLOAD..]);
        match message.first().copied() {
            Some(ndp::ROUTER_SOLICITATION..=ndp::REDIRECT) => self.discovery(ends, hop_limit, message, reply, now),
            Some(icmp::LISTENER_QUERY) if hop_limit == 1 && super::address::is_link_local(&ends.source) => {
                let random = self.random();
                self.listener.query(message, random, now);
            }
            Some(icmp::ECHO_REQUEST) if is_host(&ends.source) => self.echo(frame, ends, reply, now),
            Some(0..128) => return icmp::parse_error(message).map_or(Upper::Done, Upper::Error),
            _ => {}
        }
        Upper::Done
    }

    /// Answers an echo request.
    fn echo(&mut self, frame: &mut [u8], ends: &Endpoints, reply: &mut ReplySender<'_>, now: Instant) {
        let own = self.addresses.source_for(&ends.source, now);
        let Some(source) = icmp::answer_source(ends.destination, own) else { return };
        let next_hop = self.next_hop(&ends.source, now);
        let destination_mac = if let NextHop::Mac(mac) = next_hop { mac } else { [0; 6] };
        let answer = Endpoints { source_mac: self.mac, destination_mac, source, destination: ends.source };
        icmp::make_echo_reply(frame, &answer);
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
        let error = OutgoingError { kind: icmp::UNREACHABLE, code: icmp::PORT_UNREACHABLE, parameter: 0 };
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
        let (Some(source), NextHop::Mac(destination_mac)) = (icmp::answer_source(to, own), self.next_hop(&from, now))
        else {
            return;
        };
        let ends = Endpoints { source_mac: self.mac, destination_mac, source, destination: from };
        icmp::send_error(reply, &ends, error, packet);
    }
}

/// What an upper-layer packet is.
enum Upper {
    Done,
    /// For a socket: the frame's length.
    Packet(usize),
    Error(IcmpError),
}

impl Upper {
    /// `offset` bytes were removed in front of the frame.
    fn into_received(self, offset: usize) -> Received {
        match self {
            Self::Done => Received::Done,
            Self::Packet(length) => Received::Packet(offset + ETHERNET_HEADER..offset + length),
            Self::Error(error) => Received::Error(error),
        }
    }

    fn into_whole(self, whole: Vec<u8>) -> Received {
        match self {
            Self::Packet(_) => Received::Reassembled(whole),
            other => other.into_received(0),
        }
    }
}
