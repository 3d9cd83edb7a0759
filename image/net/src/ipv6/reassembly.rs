//! Reassembly of fragmented packets within bounds (RFC 8200, 4.5; RFC 5722; RFC 8900): [`crate::reassembly`] with IPv6's headers.

use alloc::vec::Vec;
use core::net::Ipv6Addr;

use smoltcp::time::{Duration, Instant};

use super::extension::Fragment;
use super::frame::{Endpoints, PAYLOAD, write_headers};
use crate::reassembly::{self, Limits, PacketKey};

const LIMITS: Limits = Limits {
    header_bytes: PAYLOAD,
    // Longer ones cannot be packets.
    payload_bytes: 65_535,
    packets: 16,
    packets_of_source: 4,
    bytes: 192 * 1024,
    bytes_of_source: 128 * 1024,
    // The RFC's 60 seconds would let lost fragments hold the memory longer.
    timeout: Duration::from_secs(15),
    remembers_invalid: true,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key {
    source: Ipv6Addr,
    destination: Ipv6Addr,
    identification: u32,
}

impl PacketKey for Key {
    type Source = Ipv6Addr;

    fn source(&self) -> Ipv6Addr {
        self.source
    }
}

/// The incomplete packets of an interface.
#[derive(Debug)]
pub(crate) struct Reassembly(reassembly::Reassembly<Key>);

impl Default for Reassembly {
    fn default() -> Self {
        Self(reassembly::Reassembly::new(LIMITS))
    }
}

impl Reassembly {
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Drops the packets whose time is over.
    pub(crate) fn expire(&mut self, now: Instant) {
        self.0.expire(now);
    }

    /// Returns when the next packet is dropped.
    pub(crate) fn deadline(&self) -> Instant {
        self.0.deadline()
    }

    /// Adds a fragment. Returns the frame of the packet, without a fragment header, once it is complete.
    pub(crate) fn add(&mut self, ends: &Endpoints, fragment: &Fragment, data: &[u8], now: Instant) -> Option<Vec<u8>> {
        let key = Key { source: ends.source, destination: ends.destination, identification: fragment.identification };
        let (offset, is_last, protocol) = (fragment.offset, !fragment.has_more, fragment.next_header);
        let whole = self.0.add(key, reassembly::Fragment { offset, data, is_last, protocol }, now).ok()??;
        let mut frame = whole.bytes;
        let length = frame.len() - PAYLOAD;
        write_headers(&mut frame, ends, whole.protocol, 64, length);
        Some(frame)
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
            assert_eq!(reassembly.0.used(), (0, 0));
        }
    }

    #[test]
    fn overlapping_fragments_drop_the_packet_and_what_still_arrives() {
        let mut reassembly = Reassembly::default();
        assert_eq!(reassembly.add(&ends(1), &fragment(1, 0, true), &[1; 64], NOW), None);
        assert_eq!(reassembly.add(&ends(1), &fragment(1, 56, true), &[2; 64], NOW), None);
        assert_eq!(reassembly.add(&ends(1), &fragment(1, 64, false), &[3; 10], NOW), None);
        assert_eq!(reassembly.0.used(), (1, 0));
        reassembly.expire(NOW + LIMITS.timeout);
        assert_eq!(reassembly.deadline(), crate::ipv6::NEVER);
    }

    #[test]
    fn floods_of_fragments_stay_within_bounds() {
        let mut reassembly = Reassembly::default();
        for identification in 0..10_000 {
            let source = u16::try_from(identification % 50).expect("small");
            let last = fragment(identification, 64_000, true);
            assert_eq!(reassembly.add(&ends(source), &last, &[0; 1448], NOW), None);
            let (packets, bytes) = reassembly.0.used();
            assert!(bytes <= LIMITS.bytes && packets <= LIMITS.packets);
        }
        for number in 0..20 {
            reassembly.add(&ends(100), &fragment(number, 8, true), &[0; 8], Instant::from_secs(number));
        }
        assert_eq!(reassembly.0.of_source(ends(100).source), LIMITS.packets_of_source);
        // Fragments that cannot be.
        for (fragment, length) in [(fragment(1, 65_528, true), 8), (fragment(1, 0, true), 7), (fragment(1, 0, true), 0)]
        {
            assert_eq!(Reassembly::default().add(&ends(1), &fragment, &[0; 8][..length], NOW), None);
        }
    }
}
