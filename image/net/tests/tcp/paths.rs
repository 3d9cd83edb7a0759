//! Packets that are too long for their path.

use super::*;

#[test]
fn a_shorter_path_is_learnt_from_icmp() {
    let (mut lan, mut conn, stream) = opened();
    let writer = stream.clone();
    lan.network.group().add(async move {
        let _ = writer.write(&[7; 8000]).await;
    });
    // A router drops what is longer than 1,000 bytes, and reports it.
    let mut dropped = 0;
    for _ in 0..4000 {
        for segment in lan.step() {
            if segment.packet_bytes <= 1000 {
                conn.next.window = 8192;
                let expected = conn.next.acknowledgement.expect("it is open");
                if segment.sequence == expected {
                    conn.received.extend(&segment.data);
                    conn.next.acknowledgement = Some(expected.wrapping_add(length(&segment.data)));
                }
                lan.send(&conn.next);
                continue;
            }
            dropped += 1;
            let mut message = vec![3, 4, 0, 0, 0, 0, 3, 232];
            let [high, low] = u16::try_from(segment.packet_bytes).expect("a frame's length").to_be_bytes();
            message.extend([0x45, 0, high, low, 0, 0, 0x40, 0, 64, 6, 0, 0]);
            message.extend(STACK.octets());
            message.extend(HOST.octets());
            message.extend(segment.stack_port.to_be_bytes());
            message.extend(segment.host_port.to_be_bytes());
            message.extend(segment.sequence.to_be_bytes());
            let sum = message.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum::<u32>();
            let folded = (sum & 0xffff) + (sum >> 16);
            let checksum = !u16::try_from((folded & 0xffff) + (folded >> 16)).expect("it is folded");
            message[2..4].copy_from_slice(&checksum.to_be_bytes());
            lan.send_packet(Ipv4Addr::new(10, 0, 0, 254), IpProtocol::Icmp, &message);
        }
    }
    assert_eq!(conn.received.len(), 8000, "{dropped} dropped");
    assert!((1..=8).contains(&dropped), "{dropped}");
    assert!(stream.statistics().retransmissions >= 1);
    // The next handshake offers less.
    lan.send(&Segment::syn(HOST, 40_001, PORT, 1));
    assert_eq!(lan.run(20)[0].mss, Some(960));
}

#[test]
fn a_black_hole_is_found_without_icmp() {
    let (mut lan, mut conn, writer) = opened();
    lan.network.group().add(async move {
        let _ = writer.write(&[7; 4000]).await;
    });
    for _ in 0..60_000 {
        for segment in lan.step() {
            let expected = conn.next.acknowledgement.expect("it is open");
            if segment.packet_bytes <= 1300 && segment.sequence == expected {
                conn.received.extend(&segment.data);
                conn.next.acknowledgement = Some(expected.wrapping_add(length(&segment.data)));
                lan.send(&conn.next);
            }
        }
    }
    assert_eq!(conn.received.len(), 4000);
}
