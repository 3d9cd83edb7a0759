//! ICMPv6 messages about packets: errors that are received and sent, and echo (RFC 4443).

use core::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::extension::{self, Walk};
use super::frame::{
    ETHERNET_HEADER, Endpoints, ICMPV6, IPV6_HEADER, MIN_MTU, PAYLOAD, TCP, UDP, address_at, fill_checksum, u16_at,
    u32_at, write_headers,
};
use crate::link::ReplySender;
use crate::rate_limit::RateLimit;

pub(crate) const UNREACHABLE: u8 = 1;
pub(crate) const PACKET_TOO_BIG: u8 = 2;
pub(crate) const TIME_EXCEEDED: u8 = 3;
pub(crate) const PARAMETER_PROBLEM: u8 = 4;
pub(crate) const ECHO_REQUEST: u8 = 128;
pub(crate) const ECHO_REPLY: u8 = 129;
pub(crate) const LISTENER_QUERY: u8 = 130;

/// Of [`UNREACHABLE`]: no socket has the port.
pub(crate) const PORT_UNREACHABLE: u8 = 4;
const HEADERS: usize = PAYLOAD + 8;
/// [`IPV6_HEADER`], in the type of a packet's length.
const IPV6_HEADER_BYTES: u16 = 40;

/// Errors that are sent a second, and at once (RFC 4443, 2.4, f).
const ERRORS_PER_SECOND: u32 = 10;
const ERROR_BURST: u32 = 10;

/// Returns the limit of the errors that are sent.
pub(crate) const fn error_limit() -> RateLimit {
    RateLimit::new(ERRORS_PER_SECOND, ERROR_BURST)
}

/// What an error reports about a packet that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    /// No route, no such host, or administratively prohibited.
    Unreachable,
    PortUnreachable,
    /// The path carries packets of at most this length.
    TooBig(u32),
    TimeExceeded,
    /// The peer does not handle the protocol or a header.
    Problem,
}

/// An error about a packet of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IcmpError {
    pub(crate) kind: ErrorKind,
    pub(crate) protocol: u8,
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    /// Of a TCP segment; a forged error does not know it (RFC 5927, 4.1).
    pub(crate) sequence_number: u32,
    /// The length of the packet that could not be delivered.
    pub(crate) packet_bytes: u16,
}

/// Parses an error message, from its type on; `None` if it is no error, or not about a segment or a datagram.
pub(crate) fn parse_error(message: &[u8]) -> Option<IcmpError> {
    let (kind, code) = (*message.first()?, *message.get(1)?);
    let kind = match (kind, code) {
        (UNREACHABLE, PORT_UNREACHABLE) => ErrorKind::PortUnreachable,
        (UNREACHABLE, _) => ErrorKind::Unreachable,
        (PACKET_TOO_BIG, _) => ErrorKind::TooBig(u32_at(message, 4)?),
        (TIME_EXCEEDED, _) => ErrorKind::TimeExceeded,
        (PARAMETER_PROBLEM, _) => ErrorKind::Problem,
        _ => return None,
    };
    flow_of(message.get(8..)?).map(|flow| IcmpError { kind, ..flow })
}

/// Returns the flow of a packet that this host has sent, as an unreachable error about it.
pub(crate) fn flow_of(packet: &[u8]) -> Option<IcmpError> {
    if packet.len() < IPV6_HEADER || packet[0] >> 4 != 6 {
        return None;
    }
    let payload = &packet[IPV6_HEADER..];
    let (protocol, offset) = match extension::walk(packet[6], payload, false) {
        Walk::Upper { protocol, offset } => (protocol, offset),
        Walk::Fragment { fragment, offset } if fragment.offset == 0 => (fragment.next_header, offset),
        _ => return None,
    };
    if !matches!(protocol, TCP | UDP) {
        return None;
    }
    let end = |at, port| Some(SocketAddr::new(IpAddr::V6(address_at(packet, at)?), u16_at(payload, port)?));
    let (local, remote) = (end(8, offset)?, end(24, offset + 2)?);
    let sequence_number = u32_at(payload, offset + 4)?;
    // What is quoted may be cut: the header has the length.
    let packet_bytes = u16_at(packet, 4)?.saturating_add(IPV6_HEADER_BYTES);
    Some(IcmpError { kind: ErrorKind::Unreachable, protocol, local, remote, sequence_number, packet_bytes })
}

/// An error to send.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OutgoingError {
    pub(crate) kind: u8,
    pub(crate) code: u8,
    /// The MTU or the pointer; 0 in other messages.
    pub(crate) parameter: u32,
}

/// Returns whether an error may be sent about a received packet: not about errors, and only about packets of one host to
/// one host (RFC 4443, 2.4, e).
pub(crate) fn may_answer(packet: &[u8], is_problem: bool) -> bool {
    let (Some(source), Some(destination)) = (address_at(packet, 8), address_at(packet, 24)) else { return false };
    let is_error = match extension::walk(packet[6], packet.get(IPV6_HEADER..).unwrap_or_default(), false) {
        Walk::Upper { protocol: ICMPV6, offset } => {
            packet.get(IPV6_HEADER + offset).is_none_or(|kind| *kind < ECHO_REQUEST || *kind == super::ndp::REDIRECT)
        }
        _ => false,
    };
    super::address::is_host(&source) && (is_problem || !destination.is_multicast()) && !is_error
}

/// Sends an error about a packet in reply to it, with as much of the packet as the minimum MTU allows.
pub(crate) fn send_error(reply: &mut ReplySender<'_>, ends: &Endpoints, error: OutgoingError, packet: &[u8]) {
    let about = &packet[..packet.len().min(MIN_MTU - IPV6_HEADER - 8)];
    reply.send(HEADERS + about.len(), &mut |frame| {
        if frame.len() != HEADERS + about.len() {
            return;
        }
        write_headers(frame, ends, ICMPV6, 64, 8 + about.len());
        frame[PAYLOAD..PAYLOAD + 4].copy_from_slice(&[error.kind, error.code, 0, 0]);
        frame[PAYLOAD + 4..HEADERS].copy_from_slice(&error.parameter.to_be_bytes());
        frame[HEADERS..].copy_from_slice(about);
        fill_checksum(frame, ICMPV6, PAYLOAD, PAYLOAD + 2);
    });
}

/// Makes an echo request the reply to it: `frame` is without extension headers.
pub(crate) fn make_echo_reply(frame: &mut [u8], ends: &Endpoints) {
    let length = frame.len().saturating_sub(PAYLOAD);
    write_headers(frame, ends, ICMPV6, 64, length);
    if let Some(kind) = frame.get_mut(PAYLOAD) {
        *kind = ECHO_REPLY;
    }
    fill_checksum(frame, ICMPV6, PAYLOAD, PAYLOAD + 2);
}

/// Cuts a frame that is longer than the link allows into fragments, and passes each to `send` (RFC 8200, 4.5).
pub(crate) fn fragment(frame: &[u8], mtu: usize, identification: u32, send: &mut dyn FnMut(&[u8])) {
    const FRAGMENT: u8 = 44;
    let Some((headers, payload)) = frame.split_at_checked(PAYLOAD) else { return };
    let room = (mtu.saturating_sub(IPV6_HEADER + 8) / 8 * 8).max(8);
    let mut part = alloc::vec::Vec::new();
    if part.try_reserve_exact(PAYLOAD + 8 + room).is_err() {
        return;
    }
    for (index, piece) in payload.chunks(room).enumerate() {
        let (offset, length) = (index * room, u16::try_from(piece.len() + 8).unwrap_or(u16::MAX));
        let more = u16::from(offset + piece.len() < payload.len());
        let word = u16::try_from(offset).unwrap_or_default() | more;
        part.clear();
        part.extend_from_slice(headers);
        part[ETHERNET_HEADER + 4..ETHERNET_HEADER + 6].copy_from_slice(&length.to_be_bytes());
        part[ETHERNET_HEADER + 6] = FRAGMENT;
        part.extend_from_slice(&[headers[ETHERNET_HEADER + 6], 0]);
        part.extend_from_slice(&word.to_be_bytes());
        part.extend_from_slice(&identification.to_be_bytes());
        part.extend_from_slice(piece);
        send(&part);
    }
}

/// Returns the address that a message about a packet is from: the packet's destination, if that is a host's.
pub(crate) fn answer_source(destination: Ipv6Addr, own: Option<Ipv6Addr>) -> Option<Ipv6Addr> {
    if destination.is_multicast() { own } else { Some(destination) }
}

#[cfg(test)]
mod tests {
    use smoltcp::time::Instant;

    use super::super::extension::Fragment;
    use super::super::reassembly::Reassembly;
    use super::*;
    use crate::nic::Reply;

    struct Sent(alloc::vec::Vec<u8>);

    impl Reply for Sent {
        fn send(&mut self, length: usize, fill: &mut dyn FnMut(&mut [u8])) {
            self.0 = alloc::vec![0; length];
            fill(&mut self.0);
        }
    }

    fn ends() -> Endpoints {
        let address = |number| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number);
        Endpoints { source_mac: [2; 6], destination_mac: [4; 6], source: address(1), destination: address(2) }
    }

    /// Returns a frame with a datagram from port 1000 to port 2000.
    fn datagram(length: usize) -> alloc::vec::Vec<u8> {
        let mut frame = alloc::vec![7; PAYLOAD + 8 + length];
        write_headers(&mut frame, &ends(), UDP, 64, 8 + length);
        frame[PAYLOAD..PAYLOAD + 4].copy_from_slice(&[1000u16.to_be_bytes(), 2000u16.to_be_bytes()].concat());
        frame
    }

    #[test]
    fn an_error_about_a_packet_names_its_flow() {
        for length in [0, 100, 1400] {
            let packet = &datagram(length)[ETHERNET_HEADER..];
            assert!(may_answer(packet, false));
            let (mut sent, traffic) = (Sent(alloc::vec::Vec::new()), crate::traffic::Traffic::default());
            let error = OutgoingError { kind: PACKET_TOO_BIG, code: 0, parameter: 1300 };
            send_error(&mut ReplySender { reply: &mut sent, traffic: &traffic }, &ends(), error, packet);
            assert!(sent.0.len() <= ETHERNET_HEADER + MIN_MTU);
            assert!(super::super::frame::is_checksum_valid(&sent.0, ICMPV6, PAYLOAD));
            let parsed = parse_error(&sent.0[PAYLOAD..]).expect("an error");
            assert_eq!((parsed.kind, parsed.protocol), (ErrorKind::TooBig(1300), UDP));
            assert_eq!((parsed.local.port(), parsed.remote.port()), (1000, 2000));
            assert!(!may_answer(&sent.0[ETHERNET_HEADER..], false), "no error about an error");
            for length in 0..PAYLOAD - ETHERNET_HEADER {
                assert_eq!(parse_error(&sent.0[PAYLOAD..][..length]), None);
            }
        }
    }

    #[test]
    fn errors_are_limited_to_ten_a_second() {
        let mut limit = error_limit();
        let sent = (0..100_000).filter(|micros| limit.take(Instant::from_micros(1_000_000 + micros * 100))).count();
        assert!((100..=112).contains(&sent), "{sent} in ten seconds");
    }

    #[test]
    fn fragments_are_reassembled_to_the_same_packet() {
        let frame = datagram(5000);
        let (mut reassembly, mut whole) = (Reassembly::default(), None);
        fragment(&frame, 1500, 7, &mut |part| {
            assert!(part.len() <= 1514);
            let Walk::Fragment { fragment, offset } = extension::walk(part[20], &part[PAYLOAD..], false) else {
                panic!("a fragment")
            };
            assert!(matches!(fragment, Fragment { identification: 7, next_header: UDP, .. }));
            whole = reassembly.add(&ends(), &fragment, &part[PAYLOAD + offset..], Instant::ZERO);
        });
        assert_eq!(whole, Some(frame));
    }
}
