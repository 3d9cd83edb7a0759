//! Who a frame is for, by a look at a few of its bytes.
//!
//! smoltcp offers a frame to each socket of a set in turn. With hundreds of sockets that is most of what a frame costs,
//! so each socket has a set of its own, and this finds it. It need not be right about frames that are malformed:
//! smoltcp looks at all of it again, and a set is merely who it offers the frame to.

use core::hash::Hasher;
use core::net::{IpAddr, SocketAddr};

use crate::segment::{ADDRESSES, PROTOCOL_UDP, Segment, is_arp};

/// Both ends of a TCP connection, but for our own address: there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Ends(u64);

impl Ends {
    const fn new(address: u32, remote_port: u16, local_port: u16) -> Self {
        Self((address as u64) << 32 | (remote_port as u64) << 16 | local_port as u64)
    }

    /// The ends of a connection to `remote`; none of an IPv6 one, which this stack does not speak.
    pub(super) fn of(remote: SocketAddr, local_port: u16) -> Option<Self> {
        match remote.ip() {
            IpAddr::V4(address) => Some(Self::new(address.to_bits(), remote.port(), local_port)),
            IpAddr::V6(_) => None,
        }
    }

    /// The port on our side.
    pub(super) const fn local_port(self) -> u16 {
        (self.0 & 0xffff) as u16
    }
}

/// Spreads [`Ends`] over a table, by one multiplication. Who chooses ports so that they meet makes the look-ups of his own
/// connections longer, of which there are few.
#[derive(Default)]
pub(super) struct EndsHasher(u64);

impl Hasher for EndsHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64((*byte).into()));
    }

    fn write_u64(&mut self, value: u64) {
        // The golden ratio, whose multiples are far apart; the upper half has all of them in it.
        self.0 = (self.0 ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// What a frame belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// A TCP connection, or an attempt at one.
    Tcp(Ends),
    /// Whoever receives UDP on this port.
    Udp(u16),
    /// News of the neighbours: who waits for one can go on.
    Neighbour,
    /// Nobody in particular: ICMP, broadcasts, what is malformed.
    Other,
}

impl Flow {
    /// Finds out what a frame belongs to, by the segment that was found in it.
    pub(super) fn of(frame: &[u8], segment: Option<&Segment>) -> Self {
        let Some(segment) = segment else {
            return if is_arp(frame) { Self::Neighbour } else { Self::Other };
        };
        let (Some(address), Some(ports)) =
            (frame.get(ADDRESSES), frame.get(segment.range.start..segment.range.start + 4))
        else {
            return Self::Other;
        };
        let (remote_port, local_port) = (two(ports), two(&ports[2..]));
        if segment.protocol == PROTOCOL_UDP {
            return Self::Udp(local_port);
        }
        let address = u32::from(two(address)) << 16 | u32::from(two(&address[2..]));
        Self::Tcp(Ends::new(address, remote_port, local_port))
    }
}

fn two(bytes: &[u8]) -> u16 {
    u16::from_be_bytes([bytes[0], bytes[1]])
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;
    use core::net::Ipv4Addr;

    use super::*;
    use crate::segment::ETHERNET_HEADER;

    /// A frame with 20 bytes of payload behind an IPv4 header of so many words.
    fn frame(ethertype: u16, words: u8, protocol: u8) -> Vec<u8> {
        let mut frame = [0x52; 12].to_vec();
        frame.extend(ethertype.to_be_bytes());
        let all = words * 4 + 20;
        frame.extend([0x40 | words, 0, 0, all, 0, 0, 0, 0, 64, protocol, 0, 0, 192, 168, 1, 2, 10, 0, 2, 15]);
        frame.resize(ETHERNET_HEADER + usize::from(words) * 4, 0);
        frame.extend([0x12, 0x34, 0, 80]);
        frame.resize(ETHERNET_HEADER + usize::from(all), 0);
        frame
    }

    fn flow(frame: &[u8]) -> Flow {
        Flow::of(frame, Segment::of(frame).as_ref())
    }

    #[test]
    fn frames_are_told_apart_with_and_without_options() {
        let remote = SocketAddr::from((Ipv4Addr::new(192, 168, 1, 2), 0x1234));
        let ends = Ends::of(remote, 80).expect("an IPv4 address");
        assert_eq!(ends.local_port(), 80);
        for words in [5, 6, 15] {
            assert_eq!(flow(&frame(0x0800, words, 6)), Flow::Tcp(ends));
            assert_eq!(flow(&frame(0x0800, words, 17)), Flow::Udp(80));
            assert_eq!(flow(&frame(0x0800, words, 1)), Flow::Other);
        }
        assert_eq!(flow(&frame(0x0806, 5, 6)), Flow::Neighbour);
        assert_eq!(flow(&frame(0x86dd, 5, 6)), Flow::Other);
    }

    #[test]
    fn frames_that_end_early_are_for_nobody() {
        let whole = frame(0x0800, 5, 6);
        for length in 0..whole.len() {
            assert_eq!(flow(&whole[..length]), Flow::Other, "{length} bytes");
        }
        assert_eq!(flow(&frame(0x0800, 15, 6)[..60]), Flow::Other);
    }
}
