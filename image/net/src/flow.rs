//! Classification of received frames by protocol, addresses and ports.
//!
//! smoltcp offers a frame to each socket of a set in turn. With hundreds of sockets that is most of what a frame costs,
//! so each socket has a set of its own, and the flow of a frame finds it. A malformed frame may be classified wrongly:
//! smoltcp parses all of it again and drops it.

use core::hash::Hasher;
use core::net::{IpAddr, SocketAddr};

use crate::segment::{ADDRESSES, PROTOCOL_UDP, Segment, is_arp};

/// The key of a TCP connection: the remote address and both ports. An interface has one local address only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ConnectionKey(u64);

impl ConnectionKey {
    const fn new(address: u32, remote_port: u16, local_port: u16) -> Self {
        Self((address as u64) << 32 | (remote_port as u64) << 16 | local_port as u64)
    }

    /// Returns the key of a connection to `remote`; `None` for an IPv6 address, which this stack does not support.
    pub(super) fn of(remote: SocketAddr, local_port: u16) -> Option<Self> {
        match remote.ip() {
            IpAddr::V4(address) => Some(Self::new(address.to_bits(), remote.port(), local_port)),
            IpAddr::V6(_) => None,
        }
    }

    /// Returns the local port.
    pub(super) const fn local_port(self) -> u16 {
        (self.0 & 0xffff) as u16
    }
}

/// A hash function for [`ConnectionKey`]s: one multiplication. A peer that chooses ports whose hashes collide slows down the
/// look-ups of its own connections, which are few.
#[derive(Default)]
pub(super) struct ConnectionHasher(u64);

impl Hasher for ConnectionHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64((*byte).into()));
    }

    fn write_u64(&mut self, value: u64) {
        // Fibonacci hashing: 2^64 divided by the golden ratio. All bits of the key influence the upper half.
        self.0 = (self.0 ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// What a received frame belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// A TCP connection, or an attempt to open one.
    Tcp(ConnectionKey),
    /// A UDP datagram to this local port.
    Udp(u16),
    /// ARP: sockets that wait for a neighbour's address may be able to send.
    Arp,
    /// No socket: ICMP, other protocols, malformed frames.
    Other,
}

impl Flow {
    /// Classifies a frame by the segment that was parsed from it.
    pub(super) fn of(frame: &[u8], segment: Option<&Segment>) -> Self {
        let Some(segment) = segment else {
            return if is_arp(frame) { Self::Arp } else { Self::Other };
        };
        let (Some(address), Some(ports)) =
            (frame.get(ADDRESSES), frame.get(segment.range.start..segment.range.start + 4))
        else {
            return Self::Other;
        };
        let (remote_port, local_port) = (be_u16(ports), be_u16(&ports[2..]));
        if segment.protocol == PROTOCOL_UDP {
            return Self::Udp(local_port);
        }
        let address = u32::from(be_u16(address)) << 16 | u32::from(be_u16(&address[2..]));
        Self::Tcp(ConnectionKey::new(address, remote_port, local_port))
    }
}

fn be_u16(bytes: &[u8]) -> u16 {
    u16::from_be_bytes([bytes[0], bytes[1]])
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;
    use core::net::Ipv4Addr;

    use super::*;
    use crate::segment::ETHERNET_HEADER;

    /// Returns a frame with 20 bytes of payload behind an IPv4 header of so many words.
    fn frame(ethertype: u16, header_words: u8, protocol: u8) -> Vec<u8> {
        let mut frame = [0x52; 12].to_vec();
        frame.extend(ethertype.to_be_bytes());
        let length = header_words * 4 + 20;
        frame.extend([0x40 | header_words, 0, 0, length, 0, 0, 0, 0, 64, protocol, 0, 0]);
        frame.extend([192, 168, 1, 2, 10, 0, 2, 15]);
        frame.resize(ETHERNET_HEADER + usize::from(header_words) * 4, 0);
        frame.extend([0x12, 0x34, 0, 80]);
        frame.resize(ETHERNET_HEADER + usize::from(length), 0);
        frame
    }

    fn flow(frame: &[u8]) -> Flow {
        Flow::of(frame, Segment::of(frame).as_ref())
    }

    #[test]
    fn flows_are_classified_with_and_without_ip_options() {
        let remote = SocketAddr::from((Ipv4Addr::new(192, 168, 1, 2), 0x1234));
        let key = ConnectionKey::of(remote, 80).expect("an IPv4 address");
        assert_eq!(key.local_port(), 80);
        for header_words in [5, 6, 15] {
            assert_eq!(flow(&frame(0x0800, header_words, 6)), Flow::Tcp(key));
            assert_eq!(flow(&frame(0x0800, header_words, 17)), Flow::Udp(80));
            assert_eq!(flow(&frame(0x0800, header_words, 1)), Flow::Other);
        }
        assert_eq!(flow(&frame(0x0806, 5, 6)), Flow::Arp);
        assert_eq!(flow(&frame(0x86dd, 5, 6)), Flow::Other);
    }

    #[test]
    fn truncated_frames_belong_to_no_socket() {
        let whole = frame(0x0800, 5, 6);
        for length in 0..whole.len() {
            assert_eq!(flow(&whole[..length]), Flow::Other, "{length} bytes");
        }
        assert_eq!(flow(&frame(0x0800, 15, 6)[..60]), Flow::Other);
    }
}
