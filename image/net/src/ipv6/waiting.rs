//! Frames that wait for the Ethernet address of their next hop: few for each, few in all.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::Ipv6Addr;

use super::frame::{ETHERNET_HEADER, ETHERTYPE_IPV6};

/// Frames that wait for one neighbour at most; the newest are kept (RFC 4861, 7.2.2).
const MAX_PER_NEIGHBOR: usize = 4;
/// Bytes of all frames that wait.
const MAX_BYTES: usize = 128 * 1024;

/// The frames of an interface that wait.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    frames: VecDeque<(Ipv6Addr, Vec<u8>)>,
    bytes: usize,
}

impl Waiting {
    /// Adds a copy of a frame. Drops the oldest for the same neighbour if it has its maximum. Returns whether the frame was
    /// added: it is not when there are too many for others, or no memory.
    pub(crate) fn push(&mut self, next_hop: Ipv6Addr, frame: &[u8]) -> bool {
        self.push_parts(next_hop, &[], frame)
    }

    /// As [`push`](Self::push), a packet behind an Ethernet header that is from `mac`.
    pub(crate) fn push_packet(&mut self, next_hop: Ipv6Addr, packet: &[u8], mac: [u8; 6]) -> bool {
        let mut header = [0; ETHERNET_HEADER];
        header[6..12].copy_from_slice(&mac);
        header[12..].copy_from_slice(&ETHERTYPE_IPV6);
        self.push_parts(next_hop, &header, packet)
    }

    fn push_parts(&mut self, next_hop: Ipv6Addr, header: &[u8], rest: &[u8]) -> bool {
        if self.frames.iter().filter(|(other, _)| *other == next_hop).count() >= MAX_PER_NEIGHBOR {
            drop(self.take(&next_hop));
        }
        let (mut copy, length) = (Vec::new(), header.len() + rest.len());
        let has_room = self.bytes + length <= MAX_BYTES
            && copy.try_reserve_exact(length).is_ok()
            && self.frames.try_reserve(1).is_ok();
        if has_room {
            copy.extend_from_slice(header);
            copy.extend_from_slice(rest);
            self.bytes += copy.len();
            self.frames.push_back((next_hop, copy));
        }
        has_room
    }

    /// Takes the oldest frame that waits for a neighbour.
    pub(crate) fn take(&mut self, next_hop: &Ipv6Addr) -> Option<Vec<u8>> {
        let index = self.frames.iter().position(|(other, _)| other == next_hop)?;
        let (_, frame) = self.frames.remove(index)?;
        self.bytes -= frame.len();
        Some(frame)
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_frames_wait_for_each_neighbor_and_in_all() {
        let mut waiting = Waiting::default();
        let host = |number| Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, number);
        for number in 0..6 {
            assert!(waiting.push(host(1), &[number; 60]));
        }
        assert_eq!(waiting.take(&host(1)), Some([2; 60].to_vec()));
        let accepted = (2..1000).filter(|number| waiting.push(host(*number), &[0; 1514])).count();
        assert_eq!(accepted, (MAX_BYTES - 180) / 1514);
        for number in 3..6 {
            assert_eq!(waiting.take(&host(1)), Some([number; 60].to_vec()));
        }
        assert_eq!(waiting.take(&host(1)), None);
        waiting.clear();
        assert!(waiting.push(host(7), &[0; 1514]));
    }
}
