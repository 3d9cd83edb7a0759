//! What a card does with a long TCP segment: it makes frames of it.

use smoltcp::wire::{EthernetFrame, IpAddress, Ipv4Packet, Ipv6Packet, TcpPacket};
use switchboard_drivers::interfaces::network::Segmentation;

/// Returns the frames that a card makes of a frame with a long segment.
///
/// # Panics
/// When what the stack has prepared is wrong: an offset, a length, or the sum of the pseudo header.
pub(crate) fn split(frame: &[u8], how: &Segmentation) -> Vec<Vec<u8>> {
    let tcp = usize::from(how.checksum_start);
    let headers = usize::from(how.header_bytes);
    assert_eq!((tcp, how.checksum_offset), (14 + if how.is_ipv6 { 40 } else { 20 }, 16));
    assert_eq!(headers, tcp + usize::from(frame[tcp + 12] >> 4) * 4);
    assert_eq!(frame[tcp + 16..tcp + 18], pseudo_header(frame, tcp));
    let payload = &frame[headers..];
    let count = payload.len().div_ceil(how.segment_bytes.into());
    let parts = payload.chunks(how.segment_bytes.into()).enumerate();
    parts.map(|(index, part)| piece(frame, how, (index, part), index + 1 == count)).collect()
}

fn piece(frame: &[u8], how: &Segmentation, (index, part): (usize, &[u8]), is_last: bool) -> Vec<u8> {
    let mut piece = [&frame[..how.header_bytes.into()], part].concat();
    let offset = u32::try_from(index * usize::from(how.segment_bytes)).expect("a frame");
    let mut ethernet = EthernetFrame::new_unchecked(&mut piece[..]);
    let packet = ethernet.payload_mut();
    let length = u16::try_from(packet.len()).expect("a frame");
    let (source, destination): (IpAddress, IpAddress);
    if how.is_ipv6 {
        let mut ip = Ipv6Packet::new_unchecked(&mut packet[..]);
        ip.set_payload_len(length - 40);
        (source, destination) = (ip.src_addr().into(), ip.dst_addr().into());
    } else {
        let mut ip = Ipv4Packet::new_unchecked(&mut packet[..]);
        assert!(ip.verify_checksum(), "the header of the whole");
        ip.set_total_len(length);
        ip.fill_checksum();
        (source, destination) = (ip.src_addr().into(), ip.dst_addr().into());
    }
    let mut tcp = TcpPacket::new_unchecked(&mut packet[usize::from(how.checksum_start) - 14..]);
    let sequence = tcp.seq_number() + usize::try_from(offset).expect("a frame");
    tcp.set_seq_number(sequence);
    if !is_last {
        tcp.set_fin(false);
        tcp.set_psh(false);
    }
    tcp.fill_checksum(&source, &destination);
    piece
}

/// Returns the sum of the pseudo header of the whole.
fn pseudo_header(frame: &[u8], tcp: usize) -> [u8; 2] {
    let addresses = if tcp == 34 { &frame[26..34] } else { &frame[22..54] };
    let words = addresses.chunks(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])));
    let mut sum = words.sum::<u32>() + 6 + u32::try_from(frame.len() - tcp).expect("a frame");
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).expect("folded").to_be_bytes()
}
