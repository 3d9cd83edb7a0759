//! Reassembly of fragmented packets within bounds (RFC 8200, 4.5; RFC 5722; RFC 8900).

use alloc::vec::Vec;
use core::net::Ipv6Addr;

use smoltcp::time::{Duration, Instant};

use super::extension::Fragment;
use super::frame::{Endpoints, PAYLOAD, write_headers};
use crate::ipv6::NEVER;

/// Packets that are incomplete at a time, in all and of one source.
const MAX_PACKETS: usize = 16;
const MAX_OF_SOURCE: usize = 4;
/// Bytes of all incomplete packets.
const MAX_BYTES: usize = 192 * 1024;
/// Fragments of a packet at most.
const MAX_FRAGMENTS: usize = 64;
/// A packet that is not complete by then is dropped. The RFC's 60 seconds would let lost fragments hold the memory longer.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Longer ones cannot be packets.
const MAX_PACKET_BYTES: usize = 65_535;

#[derive(Debug)]
struct Partial {
    source: Ipv6Addr,
    destination: Ipv6Addr,
    identification: u32,
    /// The protocol that the first fragment has.
    next_header: Option<u8>,
    deadline: Instant,
    /// The end of the packet, once the last fragment has arrived.
    length: Option<usize>,
    /// The ranges that have arrived, in order; they do not overlap.
    ranges: heapless::Vec<(usize, usize), MAX_FRAGMENTS>,
    /// A frame, with room for the headers in front.
    frame: Vec<u8>,
    /// Fragments that overlap make the packet invalid, with all that still arrives (RFC 5722, 4).
    is_invalid: bool,
}

/// The incomplete packets of an interface.
#[derive(Debug, Default)]
pub(crate) struct Reassembly {
    packets: Vec<Partial>,
}

impl Reassembly {
    pub(crate) fn clear(&mut self) {
        self.packets.clear();
    }

    /// Drops the packets whose time is over.
    pub(crate) fn expire(&mut self, now: Instant) {
        self.packets.retain(|packet| packet.deadline > now);
    }

    /// Returns when the next packet is dropped.
    pub(crate) fn deadline(&self) -> Instant {
        self.packets.iter().map(|packet| packet.deadline).min().unwrap_or(NEVER)
    }

    fn bytes(&self) -> usize {
        self.packets.iter().map(|packet| packet.frame.capacity()).sum()
    }

    /// Adds a fragment. Returns the frame of the packet, without a fragment header, once it is complete.
    pub(crate) fn add(&mut self, ends: &Endpoints, fragment: &Fragment, data: &[u8], now: Instant) -> Option<Vec<u8>> {
        let (start, end) = (fragment.offset, fragment.offset + data.len());
        let is_misaligned = fragment.has_more && !data.len().is_multiple_of(8);
        if data.is_empty() || is_misaligned || end > MAX_PACKET_BYTES {
            return None;
        }
        let index = self.find_or_create(ends, fragment.identification, now)?;
        let others = self.bytes() - self.packets[index].frame.capacity();
        let packet = &mut self.packets[index];
        if !packet.insert(fragment, data, others) {
            packet.is_invalid = true;
            packet.frame = Vec::new();
            return None;
        }
        let next_header = packet.next_header.filter(|_| packet.is_complete())?;
        let mut packet = self.packets.swap_remove(index);
        let length = packet.frame.len() - PAYLOAD;
        debug_assert!(start < end && length >= end);
        write_headers(&mut packet.frame, ends, next_header, 64, length);
        Some(packet.frame)
    }

    fn find_or_create(&mut self, ends: &Endpoints, identification: u32, now: Instant) -> Option<usize> {
        let same = |packet: &Partial| {
            packet.identification == identification
                && packet.source == ends.source
                && packet.destination == ends.destination
        };
        if let Some(index) = self.packets.iter().position(same) {
            return Some(index).filter(|index| !self.packets[*index].is_invalid);
        }
        let oldest = |packets: &[Partial], source: Option<Ipv6Addr>| {
            let of_source = packets.iter().enumerate().filter(|(_, packet)| source.is_none_or(|s| s == packet.source));
            of_source.min_by_key(|(_, packet)| packet.deadline).map(|(index, _)| index)
        };
        let own = self.packets.iter().filter(|packet| packet.source == ends.source).count();
        let victim = match own {
            MAX_OF_SOURCE.. => oldest(&self.packets, Some(ends.source)),
            _ if self.packets.len() >= MAX_PACKETS => oldest(&self.packets, None),
            _ => None,
        };
        if let Some(victim) = victim {
            self.packets.swap_remove(victim);
        }
        self.packets.try_reserve(1).ok()?;
        self.packets.push(Partial {
            source: ends.source,
            destination: ends.destination,
            identification,
            next_header: None,
            deadline: now + TIMEOUT,
            length: None,
            ranges: heapless::Vec::new(),
            frame: Vec::new(),
            is_invalid: false,
        });
        Some(self.packets.len() - 1)
    }
}

impl Partial {
    /// Inserts a fragment; `false` when it contradicts the others, or there is no room.
    fn insert(&mut self, fragment: &Fragment, data: &[u8], bytes_of_others: usize) -> bool {
        let (start, end) = (fragment.offset, fragment.offset + data.len());
        if self.ranges.contains(&(start, end)) {
            // The same again. What it replaces may differ, so it is not taken.
            return true;
        }
        let is_beyond = self.length.is_some_and(|length| end > length || (!fragment.has_more && end != length));
        let is_short = !fragment.has_more && self.ranges.last().is_some_and(|(_, last)| *last > end);
        let overlaps = self.ranges.iter().any(|(from, to)| start < *to && *from < end);
        if is_beyond || is_short || overlaps {
            return false;
        }
        let needed = PAYLOAD + end;
        if needed > self.frame.len() {
            let missing = needed - self.frame.len();
            if bytes_of_others + needed > MAX_BYTES || self.frame.try_reserve_exact(missing).is_err() {
                return false;
            }
            self.frame.resize(needed, 0);
        }
        self.frame[PAYLOAD + start..needed].copy_from_slice(data);
        if !fragment.has_more {
            self.length = Some(end);
        }
        if start == 0 {
            self.next_header = Some(fragment.next_header);
        }
        let place = self.ranges.iter().position(|(from, _)| *from > start).unwrap_or(self.ranges.len());
        self.ranges.insert(place, (start, end)).is_ok()
    }

    /// Returns whether all has arrived: the ranges do not overlap, so their lengths add up.
    fn is_complete(&self) -> bool {
        let bytes: usize = self.ranges.iter().map(|(from, to)| to - from).sum();
        self.length == Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::ZERO;

    fn ends(host: u16) -> Endpoints {
        let source = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, host);
        Endpoints { source_mac: [2; 6], destination_mac: [4; 6], source, destination: Ipv6Addr::LOCALHOST }
    }

    fn fragment(identification: u32, offset: usize, has_more: bool) -> Fragment {
        Fragment { identification, offset, has_more, next_header: 58 }
    }

    #[test]
    fn fragments_in_any_order_make_a_packet() {
        let data: Vec<u8> = (0..4000).map(|index: u32| index.to_le_bytes()[0]).collect();
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1], [1, 0, 2]] {
            let mut reassembly = Reassembly::default();
            let mut packet = None;
            for part in order {
                let (start, end) = (part * 1448, data.len().min((part + 1) * 1448));
                assert_eq!(packet, None);
                packet = reassembly.add(&ends(1), &fragment(9, start, part < 2), &data[start..end], NOW);
                if packet.is_none() {
                    // A repeated fragment changes nothing.
                    let again = reassembly.add(&ends(1), &fragment(9, start, part < 2), &data[start..end], NOW);
                    assert_eq!(again, None);
                }
            }
            let packet = packet.expect("complete");
            assert_eq!((&packet[PAYLOAD..], packet[20]), (&data[..], 58), "{order:?}");
            assert_eq!(reassembly.packets.len(), 0);
        }
    }

    #[test]
    fn overlapping_fragments_drop_the_packet_and_what_still_arrives() {
        let mut reassembly = Reassembly::default();
        assert_eq!(reassembly.add(&ends(1), &fragment(1, 0, true), &[1; 64], NOW), None);
        assert_eq!(reassembly.add(&ends(1), &fragment(1, 56, true), &[2; 64], NOW), None);
        assert_eq!(reassembly.add(&ends(1), &fragment(1, 64, false), &[3; 10], NOW), None);
        assert!(reassembly.packets[0].is_invalid && reassembly.bytes() == 0);
        reassembly.expire(NOW + TIMEOUT);
        assert_eq!(reassembly.deadline(), NEVER);
    }

    #[test]
    fn floods_of_fragments_stay_within_bounds() {
        let mut reassembly = Reassembly::default();
        for identification in 0..10_000 {
            let source = u16::try_from(identification % 50).expect("small");
            let last = fragment(identification, 64_000, true);
            assert_eq!(reassembly.add(&ends(source), &last, &[0; 1448], NOW), None);
            assert!(reassembly.bytes() <= MAX_BYTES && reassembly.packets.len() <= MAX_PACKETS);
        }
        for number in 0..20 {
            reassembly.add(&ends(100), &fragment(number, 8, true), &[0; 8], Instant::from_secs(number));
        }
        let own = reassembly.packets.iter().filter(|packet| packet.source == ends(100).source).count();
        assert_eq!(own, MAX_OF_SOURCE);
        // Fragments that cannot be.
        for (fragment, length) in [(fragment(1, 65_528, true), 8), (fragment(1, 0, true), 7), (fragment(1, 0, true), 0)]
        {
            assert_eq!(Reassembly::default().add(&ends(1), &fragment, &[0; 8][..length], NOW), None);
        }
    }
}
