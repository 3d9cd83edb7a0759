//! Checksums of packets in software: eight bytes at a time instead of smoltcp's two, which saves a fifth of the
//! instructions for a full frame. Those of IPv4 headers always are: the link layer verifies them.
//!
//! If the card computes some of TCP's and UDP's (checksum offload), all of these are left to smoltcp and the card.

use embassy_net_driver::{Checksum, ChecksumCapabilities};

use crate::checksum::Sum;
use crate::link::ipv4::{self, PROTOCOL_UDP};
use crate::segment::Segment;

/// Returns whether this module computes the checksums of TCP and UDP: if the card offloads none of them.
pub(super) fn are_in_software(card: &ChecksumCapabilities) -> bool {
    matches!((&card.tcp, &card.udp), (Checksum::Both, Checksum::Both))
}

/// Returns the sum of a segment and its pseudo header (RFC 9293, 3.1; RFC 768; RFC 8200, 8.1).
#[inline]
fn sum(packet: &[u8], segment: &Segment) -> Sum {
    // Two bytes of the length are enough: a packet has no more than 65,575 bytes, its headers included.
    let length = (segment.range.len() as u64 & 0xffff) as u16;
    let addresses = &packet[segment.addresses.clone()];
    let sum = match addresses.try_into() {
        Ok(of_ipv4) => Sum::default().add_8(of_ipv4),
        Err(_) => Sum::default().add(addresses),
    };
    sum.add_u16(segment.protocol.into()).add_u16(length).add(&packet[segment.range.clone()])
}

/// Returns the sum of the pseudo header of a segment, not inverted, as cards that compute checksums take it.
pub(super) fn pseudo_header(packet: &[u8], segment: &Segment) -> [u8; 2] {
    let length = (segment.range.len() as u64 & 0xffff) as u16;
    let sum = Sum::default().add(&packet[segment.addresses.clone()]);
    sum.add_u16(segment.protocol.into()).add_u16(length).checksum().map(|byte| !byte)
}

/// Verifies the checksum of a received segment. Returns `true` for a datagram that has none.
#[inline]
pub(super) fn is_valid(packet: &[u8], segment: &Segment) -> bool {
    // Zero in a UDP datagram: the sender has computed none (RFC 768).
    let is_absent = segment.protocol == PROTOCOL_UDP && packet[segment.checksum..segment.checksum + 2] == [0, 0];
    is_absent || sum(packet, segment).checksum() == [0; 2]
}

/// Writes the checksums into a packet whose checksum fields are zero: that of an IPv4 header, and with `has_segment` that
/// of TCP or UDP.
#[inline]
pub(super) fn fill(packet: &mut [u8], has_segment: bool) {
    if packet.first().is_some_and(|byte| byte >> 4 == 4) {
        ipv4::fill_checksum(packet);
    }
    if has_segment && let Some(segment) = Segment::of_sent(packet) {
        let checksum = match (sum(packet, &segment).checksum(), segment.protocol) {
            // In a UDP datagram, zero is none (RFC 768).
            ([0, 0], PROTOCOL_UDP) => [0xff; 2],
            (checksum, _) => checksum,
        };
        packet[segment.checksum..segment.checksum + 2].copy_from_slice(&checksum);
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use smoltcp::phy;
    use smoltcp::wire::{
        IpProtocol, Ipv4Address, Ipv4Packet, Ipv4Repr, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber, UdpPacket, UdpRepr,
    };

    use super::*;
    use crate::link::ipv4::Ipv4Header;

    fn is_valid(packet: &[u8]) -> bool {
        let header = Ipv4Header::parse(packet).expect("a valid header");
        Segment::of_ipv4(&header).is_some_and(|segment| super::is_valid(packet, &segment))
    }

    const HEADERS: usize = 20;
    const SOURCE: Ipv4Address = Ipv4Address::new(10, 0, 2, 15);
    const DESTINATION: Ipv4Address = Ipv4Address::new(192, 168, 255, 3);

    /// Returns a packet that smoltcp has built, with its checksums or with zero.
    fn packet(protocol: IpProtocol, payload: &[u8], has_checksum: bool) -> Vec<u8> {
        let mut checksums = phy::ChecksumCapabilities::default();
        if !has_checksum {
            (checksums.tcp, checksums.udp) = (phy::Checksum::None, phy::Checksum::None);
            checksums.ipv4 = phy::Checksum::None;
        }
        let udp = UdpRepr { src_port: 7, dst_port: 4000 };
        let tcp = TcpRepr {
            src_port: 80,
            dst_port: 5000,
            control: TcpControl::Psh,
            seq_number: TcpSeqNumber(0x7fff_ffff),
            ack_number: Some(TcpSeqNumber(-5)),
            window_len: 0x1234,
            window_scale: None,
            max_seg_size: None,
            sack_permitted: false,
            sack_ranges: [None; 3],
            timestamp: None,
            payload,
        };
        let length = payload.len() + if protocol == IpProtocol::Udp { 8 } else { 20 };
        let mut packet = [0xee].repeat(HEADERS + length);
        let ip = Ipv4Repr {
            src_addr: SOURCE,
            dst_addr: DESTINATION,
            next_header: protocol,
            payload_len: length,
            hop_limit: 64,
        };
        ip.emit(&mut Ipv4Packet::new_unchecked(&mut packet[..]), &checksums);
        let (source, destination) = (SOURCE.into(), DESTINATION.into());
        let segment = &mut packet[HEADERS..];
        match protocol {
            IpProtocol::Udp => udp.emit(
                &mut UdpPacket::new_unchecked(segment),
                &source,
                &destination,
                payload.len(),
                |buffer| buffer.copy_from_slice(payload),
                &checksums,
            ),
            _ => tcp.emit(&mut TcpPacket::new_unchecked(segment), &source, &destination, &checksums),
        }
        packet
    }

    #[test]
    fn checksums_equal_those_of_smoltcp() {
        for protocol in [IpProtocol::Tcp, IpProtocol::Udp] {
            for length in 0..200 {
                let payload: Vec<u8> = (0..length).map(|index: u8| index.wrapping_mul(97) ^ 0xa5).collect();
                let right = packet(protocol, &payload, true);
                assert!(is_valid(&right));
                let mut filled = packet(protocol, &payload, false);
                assert_ne!(filled, right, "the fields are zero");
                fill(&mut filled, true);
                assert_eq!(filled, right, "{protocol}, {length} bytes");
            }
        }
    }

    #[test]
    fn each_flipped_bit_that_the_checksums_cover_is_detected() {
        let right = packet(IpProtocol::Tcp, b"switchboard", true);
        for bit in 0..right.len() * 8 {
            let mut wrong = right.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            match bit / 8 {
                0..HEADERS => assert!(Ipv4Header::parse(&wrong).is_none(), "bit {bit}"),
                _ => assert!(!is_valid(&wrong), "bit {bit}"),
            }
        }
        // The padding of a short frame is not covered.
        let padded = [&right[..], &[7; 20]].concat();
        assert!(is_valid(&padded));
    }

    #[test]
    fn datagrams_without_a_checksum_are_valid() {
        let mut datagram = packet(IpProtocol::Udp, b"switchboard", true);
        datagram[HEADERS + 6..HEADERS + 8].fill(0);
        assert!(is_valid(&datagram));
    }

    #[test]
    fn truncated_packets_are_refused_and_left_as_they_are() {
        let whole = packet(IpProtocol::Tcp, b"", true);
        for length in 0..whole.len() {
            assert!(Ipv4Header::parse(&whole[..length]).is_none(), "{length} bytes");
            fill(&mut whole[..length].to_vec(), true);
        }
        for byte in 0..=255 {
            let mut bent = whole.clone();
            bent[0] = byte;
            assert_eq!(Ipv4Header::parse(&bent).is_some(), byte == whole[0]);
        }
    }
}
