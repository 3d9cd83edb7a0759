//! Who a frame is for, by a look at a few of its bytes.
//!
//! smoltcp offers a frame to each socket of a set in turn. With hundreds of sockets that is most of what a frame costs,
//! so each socket has a set of its own, and this finds it. It need not be right about frames that are malformed:
//! smoltcp looks at all of it again, and a set is merely who it offers the frame to.

use core::hash::Hasher;
use core::net::{IpAddr, SocketAddr};

pub(super) const ETHERNET_HEADER: usize = 14;
pub(super) const ETHERTYPE_IPV4: [u8; 2] = [0x08, 0x00];
const ETHERTYPE_ARP: [u8; 2] = [0x08, 0x06];
pub(super) const PROTOCOL_TCP: u8 = 6;
pub(super) const PROTOCOL_UDP: u8 = 17;

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
    pub(super) fn of(frame: &[u8]) -> Self {
        Self::parse(frame).unwrap_or(Self::Other)
    }

    fn parse(frame: &[u8]) -> Option<Self> {
        let (header, packet) = frame.split_at_checked(ETHERNET_HEADER)?;
        match [header[12], header[13]] {
            ETHERTYPE_IPV4 => {}
            ETHERTYPE_ARP => return Some(Self::Neighbour),
            _ => return None,
        }
        let address = packet.get(12..16)?;
        let ports = packet.get(usize::from(packet[0] & 0xf) * 4..)?.get(..4)?;
        let (remote_port, local_port) = (two(ports), two(&ports[2..]));
        match packet[9] {
            PROTOCOL_TCP => {
                let address = u32::from(two(address)) << 16 | u32::from(two(&address[2..]));
                Some(Self::Tcp(Ends::new(address, remote_port, local_port)))
            }
            PROTOCOL_UDP => Some(Self::Udp(local_port)),
            _ => None,
        }
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

    fn frame(ethertype: u16, words: u8, protocol: u8) -> Vec<u8> {
        let mut frame = [0x52; 12].to_vec();
        frame.extend(ethertype.to_be_bytes());
        frame.extend([0x40 | words, 0, 0, 44, 0, 0, 0, 0, 64, protocol, 0, 0, 192, 168, 1, 2, 10, 0, 2, 15]);
        frame.resize(ETHERNET_HEADER + usize::from(words) * 4, 0);
        frame.extend([0x12, 0x34, 0, 80]);
        frame
    }

    #[test]
    fn frames_are_told_apart_with_and_without_options() {
        let remote = SocketAddr::from((Ipv4Addr::new(192, 168, 1, 2), 0x1234));
        let ends = Ends::of(remote, 80).expect("an IPv4 address");
        assert_eq!(ends.local_port(), 80);
        for words in [5, 6, 15] {
            assert_eq!(Flow::of(&frame(0x0800, words, 6)), Flow::Tcp(ends));
            assert_eq!(Flow::of(&frame(0x0800, words, 17)), Flow::Udp(80));
            assert_eq!(Flow::of(&frame(0x0800, words, 1)), Flow::Other);
        }
        assert_eq!(Flow::of(&frame(0x0806, 5, 6)), Flow::Neighbour);
        assert_eq!(Flow::of(&frame(0x86dd, 5, 6)), Flow::Other);
    }

    #[test]
    fn frames_that_end_early_are_for_nobody() {
        let whole = frame(0x0800, 5, 6);
        for length in 0..whole.len() {
            assert_eq!(Flow::of(&whole[..length]), Flow::Other, "{length} bytes");
        }
        assert_eq!(Flow::of(&frame(0x0800, 15, 6)[..60]), Flow::Other);
    }
}
