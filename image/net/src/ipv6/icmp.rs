//! ICMPv6 messages about packets: errors that are received and sent, and echo (RFC 4443).

use core::net::{IpAddr, Ipv6Addr};

use super::extension::{self, Walk};
use super::frame::{
    ETHERNET_HEADER, Endpoints, ICMPV6, IPV6_HEADER, MIN_MTU, PAYLOAD, address_at, fill_checksum, u16_at, u32_at,
    write_headers,
};
use crate::link::icmp::{Flow, IcmpError, IcmpErrorKind};
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
/// [`MIN_MTU`] likewise.
const MIN_MTU_BYTES: u16 = 1280;

/// Errors that are sent a second, and at once (RFC 4443, 2.4, f).
const ERRORS_PER_SECOND: u32 = 10;
const ERROR_BURST: u32 = 10;

/// Returns the limit of the errors that are sent.
pub(crate) const fn error_limit() -> RateLimit {
    RateLimit::new(ERRORS_PER_SECOND, ERROR_BURST)
}

/// Parses an error message, from its type on, that `reporter` has sent; `None` if it is no error, or does not quote enough.
pub(crate) fn parse_error(message: &[u8], reporter: Ipv6Addr) -> Option<IcmpError> {
    let kind = match (*message.first()?, *message.get(1)?) {
        (UNREACHABLE, 0) => IcmpErrorKind::NetworkUnreachable,
        (UNREACHABLE, 1 | 5 | 6) => IcmpErrorKind::Prohibited,
        (UNREACHABLE, PORT_UNREACHABLE) => IcmpErrorKind::PortUnreachable,
        (UNREACHABLE, _) => IcmpErrorKind::HostUnreachable,
        (PACKET_TOO_BIG, _) => {
            // No path of IPv6 is shorter than the minimum (RFC 8201, 4).
            let mtu = u16::try_from(u32_at(message, 4)?).unwrap_or(u16::MAX);
            IcmpErrorKind::TooBig { mtu: mtu.max(MIN_MTU_BYTES) }
        }
        (TIME_EXCEEDED, _) => IcmpErrorKind::TimeExceeded,
        (PARAMETER_PROBLEM, extension::UNKNOWN_NEXT_HEADER) => IcmpErrorKind::ProtocolUnreachable,
        (PARAMETER_PROBLEM, _) => IcmpErrorKind::ParameterProblem,
        _ => return None,
    };
    error_about(message.get(8..)?, kind, reporter)
}

/// Creates an error about a packet that this host has sent, of which at least the first eight bytes of the payload are there.
pub(crate) fn error_about(packet: &[u8], kind: IcmpErrorKind, reporter: Ipv6Addr) -> Option<IcmpError> {
    if packet.len() < IPV6_HEADER || packet[0] >> 4 != 6 {
        return None;
    }
    let payload = &packet[IPV6_HEADER..];
    let (protocol, offset) = match extension::walk(packet[6], payload, false) {
        Walk::Upper { protocol, offset } => (protocol, offset),
        Walk::Fragment { fragment, offset } if fragment.offset == 0 => (fragment.next_header, offset),
        _ => return None,
    };
    let flow = Flow::parse(protocol, payload.get(offset..)?)?;
    let addresses = [address_at(packet, 8)?, address_at(packet, 24)?].map(IpAddr::from);
    // What is quoted may be cut: the header has the length.
    let packet_bytes = u16_at(packet, 4)?.saturating_add(IPV6_HEADER_BYTES);
    Some(flow.error(kind, reporter.into(), addresses, packet_bytes))
}

/// An error to send.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OutgoingError {
    pub(crate) hop_limit: u8,
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

/// Returns the length of a frame with an error about a packet: as much of the packet as the minimum MTU allows.
pub(crate) fn error_length(packet: &[u8]) -> usize {
    HEADERS + packet.len().min(MIN_MTU - IPV6_HEADER - 8)
}

/// Writes an error about a packet into a frame, which has the length of [`error_length`].
pub(crate) fn write_error(frame: &mut [u8], ends: &Endpoints, error: OutgoingError, packet: &[u8]) {
    let Some(about) = frame.len().checked_sub(HEADERS).and_then(|length| packet.get(..length)) else { return };
    write_headers(frame, ends, ICMPV6, error.hop_limit, 8 + about.len());
    frame[PAYLOAD..PAYLOAD + 4].copy_from_slice(&[error.kind, error.code, 0, 0]);
    frame[PAYLOAD + 4..HEADERS].copy_from_slice(&error.parameter.to_be_bytes());
    frame[HEADERS..].copy_from_slice(about);
    fill_checksum(frame, ICMPV6, PAYLOAD, PAYLOAD + 2);
}

/// Makes an echo request the reply to it: `frame` is without extension headers.
pub(crate) fn make_echo_reply(frame: &mut [u8], ends: &Endpoints, hop_limit: u8) {
    let length = frame.len().saturating_sub(PAYLOAD);
    write_headers(frame, ends, ICMPV6, hop_limit, length);
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
    use super::super::frame::UDP;
    use super::super::reassembly::Reassembly;
    use super::*;

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
            let error = OutgoingError { hop_limit: 64, kind: PACKET_TOO_BIG, code: 0, parameter: 1300 };
            let mut sent = alloc::vec![0; error_length(packet)];
            write_error(&mut sent, &ends(), error, packet);
            assert!(sent.len() <= ETHERNET_HEADER + MIN_MTU);
            assert!(super::super::frame::is_checksum_valid(&sent, ICMPV6, PAYLOAD));
            let parsed = parse_error(&sent[PAYLOAD..], ends().source).expect("an error");
            assert_eq!((parsed.kind, parsed.protocol), (IcmpErrorKind::TooBig { mtu: 1300 }, UDP));
            assert_eq!((parsed.local_port, parsed.remote.port()), (1000, 2000));
            assert_eq!((parsed.local_address, parsed.reporter), (ends().source.into(), ends().source.into()));
            assert!(!may_answer(&sent[ETHERNET_HEADER..], false), "no error about an error");
            for length in 0..PAYLOAD - ETHERNET_HEADER {
                assert_eq!(parse_error(&sent[PAYLOAD..][..length], ends().source), None);
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
