//! Classification of received packets by protocol, addresses and ports.
//!
//! smoltcp offers a packet to each socket of a set in turn. With hundreds of sockets that is most of what a packet
//! costs, so each socket has a set of its own, and the flow of a packet finds it. A malformed segment may be classified
//! wrongly: smoltcp parses all of it again and drops it.

use core::hash::Hasher;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::link::ipv4::PROTOCOL_UDP;
use crate::segment::Segment;

/// The key of a TCP connection: the remote address and both ports. An interface has one local address only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ConnectionKey(u64);

impl ConnectionKey {
    const fn new(address: u32, remote_port: u16, local_port: u16) -> Self {
        Self((address as u64) << 32 | (remote_port as u64) << 16 | local_port as u64)
    }

    /// Returns the key of a connection to `remote`; `None` for an IPv6 address.
    pub(super) fn of(remote: SocketAddr, local_port: u16) -> Option<Self> {
        match remote.ip() {
            IpAddr::V4(address) => Some(Self::new(address.to_bits(), remote.port(), local_port)),
            IpAddr::V6(_) => None,
        }
    }

    /// Returns the key of a TCP segment in a packet from `source`; `None` if its ports are not within the packet.
    #[inline]
    pub(super) fn of_ipv4(packet: &[u8], source: Ipv4Addr, segment: &Segment) -> Option<Self> {
        let [a, b, c, d] = *packet.get(segment.range.start..)?.first_chunk::<4>()?;
        Some(Self::new(source.to_bits(), u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
    }

    /// Returns its place in a table of `PLACES`, a power of two.
    #[inline]
    pub(super) const fn place<const PLACES: usize>(self) -> usize {
        const { assert!(PLACES.is_power_of_two()) };
        (self.0.wrapping_mul(MULTIPLIER) >> 32) as usize & (PLACES - 1)
    }

    /// Returns the remote address.
    #[inline]
    pub(super) fn remote_address(self) -> Ipv4Addr {
        Ipv4Addr::from_bits((self.0 >> 32) as u32)
    }
}

/// Fibonacci hashing: 2^64 divided by the golden ratio. All bits of a key influence the upper half of the product.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// A hash function for [`ConnectionKey`]s: one multiplication. A peer that chooses ports whose hashes collide slows down the
/// look-ups of its own connections, which are few.
#[derive(Default)]
pub(super) struct ConnectionHasher(u64);

impl Hasher for ConnectionHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64((*byte).into()));
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0 ^ value).wrapping_mul(MULTIPLIER).rotate_left(32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// What a received packet belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// A TCP connection, or an attempt to open one.
    Tcp(ConnectionKey),
    /// As [`Tcp`](Self::Tcp), over IPv6.
    Tcp6(ConnectionKey6),
    /// A UDP datagram to this local port.
    Udp(u16),
}

impl Flow {
    /// Classifies an IPv6 packet without extension headers by its segment.
    pub(super) fn of_ipv6(packet: &[u8], segment: &Segment) -> Option<Self> {
        let (source, rest) = packet.get(8..)?.split_first_chunk::<16>()?;
        let destination = rest.first_chunk::<16>()?;
        let ports = packet.get(segment.range.start..segment.range.start + 4)?;
        let (remote_port, local_port) = (be_u16(ports), be_u16(&ports[2..]));
        Some(match segment.protocol {
            PROTOCOL_UDP => Self::Udp(local_port),
            _ => Self::Tcp6(ConnectionKey6::new(
                (Ipv6Addr::from(*destination), local_port),
                (Ipv6Addr::from(*source), remote_port),
            )),
        })
    }
}

/// The key of a TCP connection over IPv6: both addresses and both ports. An interface has several addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ConnectionKey6 {
    pub(super) local: Ipv6Addr,
    pub(super) remote: Ipv6Addr,
    /// The remote port in the upper half, the local port in the lower one.
    ports: u32,
}

impl core::hash::Hash for ConnectionKey6 {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let halves = |address: Ipv6Addr| {
            let [a, b, c, d, e, f, g, h] = address.segments().map(u64::from);
            [a << 48 | b << 32 | c << 16 | d, e << 48 | f << 32 | g << 16 | h]
        };
        let ([network, host], [_, local]) = (halves(self.remote), halves(self.local));
        state.write_u64(network);
        state.write_u64(host ^ u64::from(self.ports) << 16);
        state.write_u64(local);
    }
}

impl ConnectionKey6 {
    pub(super) fn new(local: (Ipv6Addr, u16), remote: (Ipv6Addr, u16)) -> Self {
        Self { local: local.0, remote: remote.0, ports: u32::from(remote.1) << 16 | u32::from(local.1) }
    }
}

fn be_u16(bytes: &[u8]) -> u16 {
    u16::from_be_bytes([bytes[0], bytes[1]])
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::link::ipv4::{Ipv4Header, fill_checksum};

    /// Returns a packet with 20 bytes of payload behind a header of so many words.
    fn packet(header_words: u8, protocol: u8) -> Vec<u8> {
        let length = header_words * 4 + 20;
        let mut packet = Vec::from([0x40 | header_words, 0, 0, length, 0, 0, 0, 0, 64, protocol, 0, 0]);
        packet.extend([192, 168, 1, 2, 10, 0, 2, 15]);
        packet.resize(usize::from(header_words) * 4, 0);
        fill_checksum(&mut packet);
        packet.extend([0x12, 0x34, 0, 80]);
        packet.resize(length.into(), 0);
        packet
    }

    fn key(packet: &[u8]) -> Option<ConnectionKey> {
        let header = Ipv4Header::parse(packet)?;
        ConnectionKey::of_ipv4(packet, header.source, &Segment::of_ipv4(&header)?)
    }

    #[test]
    fn keys_are_found_with_and_without_ip_options() {
        let remote = SocketAddr::from((Ipv4Addr::new(192, 168, 1, 2), 0x1234));
        let expected = ConnectionKey::of(remote, 80).expect("an IPv4 address");
        assert_eq!(expected.remote_address(), Ipv4Addr::new(192, 168, 1, 2));
        for header_words in [5, 6, 15] {
            assert_eq!(key(&packet(header_words, 6)), Some(expected));
            assert_eq!(key(&packet(header_words, 1)), None);
        }
    }

    #[test]
    fn truncated_packets_belong_to_no_socket() {
        let whole = packet(5, 6);
        for length in 0..whole.len() {
            assert_eq!(key(&whole[..length]), None, "{length} bytes");
        }
        assert_eq!(key(&packet(15, 6)[..60]), None);
    }
}
