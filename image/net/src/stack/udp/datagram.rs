//! UDP datagrams (RFC 768) in IPv4 packets.

use alloc::vec::Vec;
use core::net::{Ipv4Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use smoltcp::time::Instant;

use crate::checksum::Sum;
use crate::link::ethernet::ETHERNET_HEADER;
use crate::link::ipv4::{self, IPV4_HEADER, PROTOCOL_UDP};
use crate::link::{DropReason, FrameSender, Link};

/// Bytes of the headers of a datagram in an IPv4 packet.
pub(in crate::stack) const HEADERS: usize = IPV4_HEADER + UDP_HEADER;
const UDP_HEADER: usize = 8;
const IPV6_HEADER: usize = 40;
/// Bytes of the longest datagram in an IPv4 packet.
pub(in crate::stack) const MAX_DATAGRAM: usize = 65_535 - HEADERS;

/// Writes the packet of a datagram, of the length of its headers and its payload.
#[inline]
pub(in crate::stack) fn write(packet: &mut [u8], source: SocketAddrV4, destination: SocketAddrV4, payload: &[u8]) {
    let (header, datagram) = packet.split_at_mut(IPV4_HEADER);
    ipv4::write_header(header, datagram.len(), PROTOCOL_UDP, *source.ip(), *destination.ip());
    // It is no longer than a packet.
    let length = u16::try_from(datagram.len()).unwrap_or(u16::MAX);
    let (start, body) = datagram.split_at_mut(UDP_HEADER);
    start[..2].copy_from_slice(&source.port().to_be_bytes());
    start[2..4].copy_from_slice(&destination.port().to_be_bytes());
    start[4..6].copy_from_slice(&length.to_be_bytes());
    start[6..].fill(0);
    body.copy_from_slice(payload);
    // The header ends with both addresses.
    let addresses = header.last_chunk::<8>().copied().unwrap_or_default();
    let pseudo = Sum::default().add_u16(PROTOCOL_UDP.into()).add_u16(length).add_8(addresses);
    let checksum = match pseudo.add(datagram).checksum() {
        // Zero is none.
        [0, 0] => [0xff; 2],
        checksum => checksum,
    };
    datagram[6..8].copy_from_slice(&checksum);
}

/// Sends a datagram from a port, or queues it until its next hop is known. `multicast_hops` applies to groups.
#[inline]
pub(in crate::stack) fn send(
    link: &mut Link,
    (port, multicast_hops): (u16, u8),
    destination: SocketAddr,
    payload: &[u8],
    sender: &mut FrameSender<'_, '_>,
    now: Instant,
) {
    let destination = match destination {
        SocketAddr::V4(destination) => destination,
        SocketAddr::V6(destination) => {
            return send_v6(link, (port, multicast_hops), destination, payload, sender, now);
        }
    };
    let (source, length) = (SocketAddrV4::new(link.address(), port), HEADERS + payload.len());
    if length <= link.mtu()
        && !destination.ip().is_multicast()
        && let Some(next_hop) = link.resolve(*destination.ip(), now)
    {
        return sender.send(ETHERNET_HEADER + length, &mut |frame| {
            write(&mut frame[ETHERNET_HEADER..], source, destination, payload);
            link.write_header(frame, next_hop);
        });
    }
    let mut packet = Vec::new();
    if packet.try_reserve_exact(length).is_err() {
        return sender.drop_packet(DropReason::NoMemory);
    }
    packet.resize(length, 0);
    write(&mut packet, source, destination, payload);
    if destination.ip().is_multicast() {
        ipv4::set_time_to_live(&mut packet, multicast_hops);
    }
    link.egress(&packet, sender, now);
}

/// As [`send`], over IPv6.
fn send_v6(
    link: &mut Link,
    (port, multicast_hops): (u16, u8),
    destination: SocketAddrV6,
    payload: &[u8],
    sender: &mut FrameSender<'_, '_>,
    now: Instant,
) {
    let Some(source) = link.ipv6.source_for(destination.ip(), now) else {
        return sender.drop_packet(DropReason::NoRoute);
    };
    let length = IPV6_HEADER + UDP_HEADER + payload.len();
    let mut packet = Vec::new();
    if packet.try_reserve_exact(length).is_err() {
        return sender.drop_packet(DropReason::NoMemory);
    }
    let datagram_length = u16::try_from(UDP_HEADER + payload.len()).unwrap_or(u16::MAX);
    packet.extend([0x60, 0, 0, 0]);
    packet.extend(datagram_length.to_be_bytes());
    packet.extend([PROTOCOL_UDP, if destination.ip().is_multicast() { multicast_hops } else { link.ipv6.hop_limit() }]);
    packet.extend(source.octets());
    packet.extend(destination.ip().octets());
    packet.extend(port.to_be_bytes());
    packet.extend(destination.port().to_be_bytes());
    packet.extend(datagram_length.to_be_bytes());
    packet.extend([0, 0]);
    packet.extend_from_slice(payload);
    // Of the pseudo header, the addresses are in the packet (RFC 8200, 8.1).
    let sum = Sum::default().add_u16(PROTOCOL_UDP.into()).add_u16(datagram_length).add(&packet[8..]);
    let checksum = match sum.checksum() {
        [0, 0] => [0xff; 2],
        checksum => checksum,
    };
    packet[IPV6_HEADER + 6..IPV6_HEADER + 8].copy_from_slice(&checksum);
    link.egress(&packet, sender, now);
}

/// A received datagram.
pub(in crate::stack) struct Datagram<'a> {
    pub(in crate::stack) source_port: u16,
    pub(in crate::stack) port: u16,
    pub(in crate::stack) payload: &'a [u8],
}

/// Parses the datagram in the payload of a packet and verifies its checksum, if it has one; `None` for a malformed one.
#[inline]
pub(in crate::stack) fn parse(bytes: &[u8], source: Ipv4Addr, destination: Ipv4Addr) -> Option<Datagram<'_>> {
    let [a, b, c, d, e, f, g, h] = *bytes.first_chunk::<UDP_HEADER>()?;
    let length = u16::from_be_bytes([e, f]);
    let datagram = bytes.get(..usize::from(length))?;
    let payload = datagram.get(UDP_HEADER..)?;
    if [g, h] != [0, 0] {
        let pseudo = Sum::default().add_u16(PROTOCOL_UDP.into()).add_u16(length);
        let ([a, b, c, d], [e, f, g, h]) = (source.octets(), destination.octets());
        let addresses = [a, b, c, d, e, f, g, h];
        if pseudo.add_8(addresses).add(datagram).checksum() != [0; 2] {
            return None;
        }
    }
    let (source_port, port) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    // Port 0 is reserved (RFC 6335, 6); as a source it means that no reply is wanted, which no socket here distinguishes.
    (source_port != 0 && port != 0).then_some(Datagram { source_port, port, payload })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::ipv4::Ipv4Header;

    const SOURCE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 4000);
    const DESTINATION: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 7);

    #[test]
    fn datagrams_are_written_and_parsed() {
        for length in 0..100 {
            let payload: Vec<u8> = (0..length).collect();
            let mut packet = [0xee].repeat(HEADERS + payload.len());
            write(&mut packet, SOURCE, DESTINATION, &payload);
            let header = Ipv4Header::parse(&packet).expect("a valid header");
            assert_eq!((header.source, header.destination), (*SOURCE.ip(), *DESTINATION.ip()));
            let datagram = parse(&packet[20..], header.source, header.destination).expect("a datagram");
            assert_eq!((datagram.source_port, datagram.port, datagram.payload), (4000, 7, &payload[..]));
            for bit in 20 * 8..packet.len() * 8 {
                packet[bit / 8] ^= 1 << (bit % 8);
                assert!(parse(&packet[20..], header.source, header.destination).is_none(), "bit {bit}");
                packet[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }

    #[test]
    fn malformed_datagrams_are_refused() {
        let mut packet = [0].repeat(HEADERS + 4);
        write(&mut packet, SOURCE, DESTINATION, b"text");
        let datagram = &mut packet[20..];
        datagram[6..8].fill(0);
        let check = |bytes: &[u8]| parse(bytes, *SOURCE.ip(), *DESTINATION.ip()).is_some();
        assert!(check(datagram), "without a checksum");
        for length in 0..12 {
            assert!(!check(&datagram[..length]), "{length} bytes");
        }
        for (offset, bytes) in [(0, [0, 0]), (2, [0, 0]), (4, [0, 7]), (4, [0, 13])] {
            let mut bent = datagram.to_vec();
            bent[offset..offset + 2].copy_from_slice(&bytes);
            assert!(!check(&bent), "{bytes:?} at {offset}");
        }
    }
}
