//! Packets of any size and of any kind: what is answered, and what is not.

use super::*;

#[test]
fn pings_of_any_size_are_answered() {
    let (mut lan, host) = (lan(), Host::new(9));
    host.introduce(&mut lan);
    for length in [0, 1, 1000, 1472, 1473, 3000, 65_507] {
        let data: Vec<u8> = (0..length).map(|offset: usize| (offset % 251).to_le_bytes()[0]).collect();
        let request = frames::ping(host.address, OURS, 1, &data);
        for part in frames::fragments(&request, 1500, 77) {
            host.send(&mut lan, &part);
        }
        let mut message = Vec::new();
        for frame in lan.pass(5) {
            assert!(frame.len() <= 1514);
            let (protocol, piece) = frames::payload_of(&frame).expect("a packet");
            assert_eq!(protocol, 1);
            message.extend_from_slice(piece);
        }
        assert_eq!((message.len(), message[0]), (8 + length, 0), "{length} bytes");
        assert!(message[8..] == data);
    }
}

#[test]
fn datagrams_longer_than_a_frame_are_echoed() {
    let (mut lan, host) = (lan(), Host::new(9));
    host.introduce(&mut lan);
    let data: Vec<u8> = (0..20_000).map(|offset| (offset % 251) as u8).collect();
    for part in frames::fragments(&frames::udp(host.address, 4000, OURS, 7, &data), 1500, 5).iter().rev() {
        host.send(&mut lan, part);
    }
    let mut echo = Vec::new();
    for frame in lan.pass(5) {
        echo.extend_from_slice(frames::payload_of(&frame).expect("a packet").1);
    }
    assert!(echo[8..] == data, "{} bytes", echo.len());
}

#[test]
fn ports_and_protocols_without_a_socket_are_reported_within_a_limit() {
    let (mut lan, host) = (lan(), Host::new(9));
    host.introduce(&mut lan);
    let datagram = frames::udp(host.address, 4000, OURS, 9999, b"no socket is here");
    host.send(&mut lan, &datagram);
    host.send(&mut lan, &frames::ipv4(host.address, OURS, 132, &[0; 40]));
    let frames = lan.pass(2);
    let messages: Vec<_> = frames.iter().filter_map(|frame| frames::payload_of(frame)).collect();
    assert_eq!((&messages[0].1[..2], &messages[0].1[8..]), (&[3, 3][..], &datagram[..]));
    assert_eq!(&messages[1].1[..2], [3, 2]);
    for _ in 0..1000 {
        host.send(&mut lan, &datagram);
    }
    let reports = lan.pass(1000).len();
    assert!((15..=130).contains(&reports), "{reports}");
    assert!(drops(&lan, DropReason::RateLimited) > 800);
}

#[test]
fn packets_to_all_and_forged_ones_are_never_answered() {
    let (mut lan, host) = (lan(), Host::new(9));
    host.introduce(&mut lan);
    let closed = |source, destination| frames::udp(source, 4000, destination, 9999, b"");
    for (destination, packet) in [
        (frames::BROADCAST, closed(host.address, [255; 4])),
        (frames::BROADCAST, closed(host.address, [10, 0, 0, 255])),
        ([1, 0, 0x5e, 0, 0, 1], closed(host.address, [224, 0, 0, 1])),
        (frames::BROADCAST, closed(host.address, OURS)),
        (TestLan::MAC, closed(OURS, OURS)),
        (TestLan::MAC, frames::udp(OURS, 7, OURS, 7, b"to itself")),
        (TestLan::MAC, closed([10, 0, 0, 255], OURS)),
        (TestLan::MAC, closed([127, 0, 0, 1], OURS)),
        (TestLan::MAC, closed([224, 0, 0, 1], OURS)),
        (TestLan::MAC, closed([0; 4], OURS)),
        (TestLan::MAC, frames::ping([10, 0, 0, 255], OURS, 1, b"")),
        (frames::BROADCAST, frames::ping(host.address, [10, 0, 0, 255], 1, b"")),
        (TestLan::MAC, frames::udp(host.address, 0, OURS, 7, b"from port 0")),
        (TestLan::MAC, frames::udp(host.address, 4000, OURS, 0, b"to port 0")),
        (TestLan::MAC, frames::icmp_error(host.address, OURS, [3, 3], 0, &closed(OURS, host.address))),
        (host.mac, closed(host.address, OURS)),
    ] {
        lan.send(&frames::ipv4_frame(host.mac, destination, &packet));
        let frames = lan.pass(3);
        assert!(frames.is_empty(), "{packet:?} to {destination:?}: {frames:?}");
    }
}

#[test]
fn fragments_that_overlap_are_dropped_with_their_datagram() {
    let (mut lan, host) = (lan(), Host::new(9));
    host.introduce(&mut lan);
    let packet = frames::udp(host.address, 4000, OURS, 7, &[7; 3000]);
    let (parts, others) = (frames::fragments(&packet, 1500, 1), frames::fragments(&packet, 1000, 1));
    for part in [&parts[0], &others[1], &parts[1], &parts[2]] {
        host.send(&mut lan, part);
    }
    assert!(lan.pass(5).is_empty());
    assert!(drops(&lan, DropReason::Fragment) >= 1);
}

#[test]
fn the_group_of_multicast_dns_is_reported_and_queries_are_answered() {
    let mut config = InterfaceConfig::default();
    config.hostname = Some("host".into());
    let source = AddressSource::Static { address: OURS.into(), prefix: 24, gateway: None };
    let mut lan = TestLan::with_config(source, config);
    let reports = |frames: Vec<Vec<u8>>| -> Vec<Vec<u8>> {
        let is_igmp = |frame: &&Vec<u8>| frame.get(12..14) == Some(&[8, 0]) && frame[23] == 2;
        frames.iter().filter(is_igmp).cloned().collect()
    };
    let joined = reports(lan.pass(3000));
    assert_eq!(joined.len(), 2, "{joined:?}");
    for frame in &joined {
        assert_eq!((&frame[..6], &frame[30..34]), (&[1, 0, 0x5e, 0, 0, 22][..], &[224, 0, 0, 22][..]));
        assert_eq!((frame[22], frame[38], frame[46], &frame[50..]), (1, 0x22, 4, &[224, 0, 0, 251][..]));
    }
    // A general query of version 3, to be answered within a second.
    let query = [0x11, 10, 0xee, 0xf5, 0, 0, 0, 0, 0, 0, 0, 0];
    let packet = frames::ipv4([10, 0, 0, 254], [224, 0, 0, 1], 2, &query);
    lan.send(&frames::ipv4_frame(ROUTER_MAC, [1, 0, 0x5e, 0, 0, 1], &packet));
    let answers = reports(lan.pass(1100));
    assert_eq!((answers.len(), answers[0][38], answers[0][46]), (1, 0x22, 2));
}

#[test]
fn the_echo_service_returns_datagrams_in_fragments() {
    let mut lan = TestLan::new(source(24, None));
    let echo = SimpleServices { echo: true, ..SimpleServices::NONE };
    start_simple_services(echo, lan.group(), lan.stack());
    let host = Host::new(9);
    lan.pass(3000);
    host.introduce(&mut lan);
    for length in [3000, 20_000] {
        let payload: Vec<u8> = (0..length).map(|index: usize| index.to_le_bytes()[0]).collect();
        let packet = frames::udp(host.address, 5000, OURS, 7, &payload);
        for fragment in frames::fragments(&packet, 1500, 9) {
            host.send(&mut lan, &fragment);
        }
        let answers = lan.pass(5);
        let fragments =
            answers.iter().filter_map(|frame| frames::payload_of(frame)).filter(|(protocol, _)| *protocol == 17);
        let bytes: usize = fragments.map(|(_, piece)| piece.len()).sum();
        assert_eq!(bytes, 8 + length);
    }
}
