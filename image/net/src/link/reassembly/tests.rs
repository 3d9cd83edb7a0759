//! Tests of reassembly: orders, copies, overlaps, bounds.

use super::super::fragments;
use super::*;

const SOURCE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const DESTINATION: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

fn now() -> Instant {
    Instant::from_secs(100)
}

/// Returns a packet with a payload of so many bytes, and its fragments.
fn packet(source: Ipv4Addr, length: usize, mtu: usize, identification: u16) -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut packet = [0; IPV4_HEADER].to_vec();
    packet.extend((0..length).map(|offset| (offset * 7 / 3).to_le_bytes()[0]));
    ipv4::write_header(&mut packet, length, 17, source, DESTINATION);
    let mut parts = Vec::new();
    fragments::for_each(&packet, mtu, identification, |length, write| {
        let mut part = [0].repeat(length);
        write(&mut part);
        parts.push(part);
    });
    (packet, parts)
}

fn add(reassembly: &mut Reassembly, part: &[u8], now: Instant) -> Result<Option<Vec<u8>>, Refused> {
    let header = Ipv4Header::parse(part).expect("a valid header");
    assert_ne!(header.fragment, 0);
    reassembly.add(part, &header, now)
}

#[test]
fn fragments_in_any_order_with_copies_are_one_packet() {
    for (length, mtu) in [(100, 68), (3000, 1500), (65_515, 1500), (65_515, 1400)] {
        let (whole, parts) = packet(SOURCE, length, mtu, 7);
        assert!(parts.iter().all(|part| part.len() <= mtu) && parts.len() > 1);
        let orders: [Vec<usize>; 3] = [
            (0..parts.len()).collect(),
            (0..parts.len()).rev().collect(),
            (0..parts.len()).step_by(2).chain((1..parts.len()).step_by(2)).collect(),
        ];
        for order in orders {
            let mut reassembly = Reassembly::default();
            let (last, first) = order.split_last().expect("several");
            for index in first {
                assert_eq!(add(&mut reassembly, &parts[*index], now()), Ok(None));
                assert_eq!(add(&mut reassembly, &parts[*index], now()), Ok(None), "a copy");
            }
            let packet = add(&mut reassembly, &parts[*last], now()).expect("valid").expect("complete");
            assert!(packet == whole, "{length} bytes in {} fragments", parts.len());
            assert!(Ipv4Header::parse(&packet).is_some() && reassembly.0.used() == (0, 0));
        }
    }
}

#[test]
fn overlapping_fragments_end_their_datagram() {
    let (_, small) = packet(SOURCE, 3000, 520, 7);
    let (_, large) = packet(SOURCE, 3000, 1020, 7);
    let mut reassembly = Reassembly::default();
    assert_eq!(add(&mut reassembly, &small[0], now()), Ok(None));
    assert_eq!(add(&mut reassembly, &large[0], now()), Err(Refused));
    assert!(reassembly.0.used() == (0, 0));
    // A copy with other content.
    let mut other = small[0].clone();
    other[30] ^= 1;
    assert_eq!(add(&mut reassembly, &small[0], now()), Ok(None));
    assert_eq!(add(&mut reassembly, &other, now()), Err(Refused));
}

#[test]
fn contradicting_ends_are_refused() {
    let (_, short) = packet(SOURCE, 1000, 520, 7);
    let (_, long) = packet(SOURCE, 3000, 520, 7);
    let mut reassembly = Reassembly::default();
    assert_eq!(add(&mut reassembly, &long[4], now()), Ok(None));
    assert_eq!(add(&mut reassembly, short.last().expect("several"), now()), Err(Refused), "it ends before another");
    assert_eq!(add(&mut reassembly, short.last().expect("several"), now()), Ok(None));
    assert_eq!(add(&mut reassembly, &long[4], now()), Err(Refused), "it begins behind the end");
}

#[test]
fn fragments_are_dropped_after_a_while() {
    let (_, parts) = packet(SOURCE, 1000, 520, 7);
    let mut reassembly = Reassembly::default();
    assert_eq!(add(&mut reassembly, &parts[0], now()), Ok(None));
    assert_eq!(add(&mut reassembly, &parts[1], now() + LIMITS.timeout), Ok(None), "the first is forgotten");
}

#[test]
fn a_flood_of_first_fragments_stays_within_bounds() {
    let mut reassembly = Reassembly::default();
    for number in 0..5000_u16 {
        let source = Ipv4Addr::from_bits(SOURCE.to_bits() + u32::from(number % 100));
        let (_, parts) = packet(source, 65_000, 1500, number);
        // The last one needs the most memory.
        drop(add(&mut reassembly, parts.last().expect("several"), now()));
        let (packets, bytes) = reassembly.0.used();
        assert!(bytes <= LIMITS.bytes && packets <= LIMITS.packets, "{bytes}");
        assert!((1..=LIMITS.packets_of_source).contains(&reassembly.0.of_source(source)));
    }
    // A whole datagram still gets through.
    let (whole, parts) = packet(Ipv4Addr::new(10, 9, 9, 9), 65_000, 1500, 1);
    let results: Vec<_> = parts.iter().map(|part| add(&mut reassembly, part, now())).collect();
    assert!(results.last() == Some(&Ok(Some(whole))));
}

#[test]
fn gaps_are_bounded() {
    let (_, parts) = packet(SOURCE, 8000, 28, 7);
    let mut reassembly = Reassembly::default();
    let refused = parts.iter().step_by(2).filter(|part| add(&mut reassembly, part, now()).is_err()).count();
    assert!(refused >= 1);
}
