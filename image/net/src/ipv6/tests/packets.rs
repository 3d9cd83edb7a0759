//! Packets of other hosts: echo, fragments, extension headers, errors.

use alloc::boxed::Box;

use super::*;

#[test]
fn pings_of_any_size_are_answered() {
    let mut link = configured();
    for length in [0, 8, 56, 1452] {
        let message = [&[128, 0, 0, 0, 0, 1, 0, 2][..], &vec![5; length]].concat();
        let mut frame = vec![0; PAYLOAD];
        write_headers(&mut frame, &from_router(GLOBAL), 58, 64, message.len());
        frame.extend(&message);
        fill_checksum(&mut frame, 58, PAYLOAD, PAYLOAD + 2);
        let (received, answer) = link.receive(&frame);
        assert_eq!((received, kinds(&answer), answer[0].len()), (Received::Done, vec![129], frame.len()));
        assert_eq!((&answer[0][..6], address_at(&answer[0], 38)), (&ROUTER_MAC[..], Some(address(ROUTER))));
        assert!(is_checksum_valid(&answer[0], 58, PAYLOAD));
    }
    // In fragments, there and back.
    let message = [&[128, 0, 0, 0, 0, 1, 0, 2][..], &[5; 5000]].concat();
    let mut frame = vec![0; PAYLOAD];
    write_headers(&mut frame, &from_router(GLOBAL), 58, 64, message.len());
    frame.extend(&message);
    fill_checksum(&mut frame, 58, PAYLOAD, PAYLOAD + 2);
    let mut parts = Vec::new();
    icmp::fragment(&frame, 1500, 3, &mut |part| parts.push(part.to_vec()));
    for part in &parts {
        assert_eq!(link.receive(part), (Received::Done, vec![]));
    }
    let answer = link.pass(0);
    assert_eq!((answer.len(), answer[0][20]), (parts.len(), 44));
    // By the group of all nodes: the answer has an address of this host.
    let ends = Endpoints { source: address(ROUTER), ..from_router("ff02::1") };
    let ping = ControlFrame::icmpv6(&ends, 64, &[128, 0, 0, 0, 0, 1, 0, 2]).expect("it fits");
    let (_, answer) = link.receive(ping.as_bytes());
    assert_eq!(address_at(&answer[0], 22), Some(address(MINE)));
}

#[test]
fn datagrams_behind_extension_headers_and_in_fragments_reach_the_sockets() {
    let mut link = configured();
    let datagram = ControlFrame::udp(&from_router(GLOBAL), (1000, 2000), b"hello world").expect("it fits");
    let plain = datagram.as_bytes();
    assert_eq!(link.receive(plain).0, Received::Packet(0..plain.len()));
    let mut options = plain.to_vec();
    options[20] = 60;
    options[19] += 8;
    options.splice(PAYLOAD..PAYLOAD, [17, 0, 1, 4, 0, 0, 0, 0]);
    let (mut frame, mut sent) = (options.clone(), Sent(Vec::new()));
    let mut reply = ReplySender { reply: &mut sent, traffic: &link.traffic };
    let received = link.ipv6.receive(&mut frame, &mut reply, link.now);
    let Received::Packet(range) = received else { panic!("{received:?}") };
    assert_eq!(frame[range], *plain);
    let mut reassembled = Received::Done;
    let mut parts = Vec::new();
    icmp::fragment(&options, 56, 3, &mut |part| parts.push(part.to_vec()));
    for part in parts {
        reassembled = link.receive(&part).0;
    }
    let Received::Reassembled(whole) = reassembled else { panic!("{reassembled:?}") };
    assert_eq!(whole[14..], plain[14..]);
}

#[test]
fn only_packets_for_this_host_are_taken() {
    let mut link = configured();
    let datagram = |ends| ControlFrame::udp(&ends, (1000, 2000), b"hello").expect("it fits");
    let right = from_router(GLOBAL);
    let multicast = [0x33, 0x33, 0, 0, 0, 1];
    for ends in [
        Endpoints { destination: address("2001:db8::1"), ..right },
        Endpoints { destination_mac: [2; 6], ..right },
        Endpoints { destination_mac: multicast, ..right },
        Endpoints { source: address("ff02::1"), ..right },
        Endpoints { source: Ipv6Addr::LOCALHOST, ..right },
        Endpoints { source: Ipv6Addr::UNSPECIFIED, ..right },
        Endpoints { source: address(GLOBAL), ..right },
        Endpoints { destination: MDNS, destination_mac: multicast_mac(&MDNS), ..right },
    ] {
        assert_eq!(link.receive(datagram(ends).as_bytes()), (Received::Done, vec![]), "{ends:?}");
    }
    assert!(link.ipv6.join(MDNS, link.now));
    let mdns = Endpoints { destination: MDNS, destination_mac: multicast_mac(&MDNS), ..right };
    assert!(matches!(link.receive(datagram(mdns).as_bytes()).0, Received::Packet(_)));
    let whole = datagram(right);
    for length in 0..whole.as_bytes().len() {
        assert_eq!(link.receive(&whole.as_bytes()[..length]).0, Received::Done, "{length} bytes");
    }
}

#[test]
fn ports_without_a_socket_are_answered_at_a_limited_rate() {
    let mut link = configured();
    let datagram = ControlFrame::udp(&from_router(GLOBAL), (1000, 2000), b"hello").expect("it fits");
    let mut sent = Sent(Vec::new());
    let traffic = Traffic::default();
    for _ in 0..1000 {
        let mut reply = ReplySender { reply: &mut sent, traffic: &traffic };
        link.ipv6.port_unreachable(&datagram.as_bytes()[14..], &mut reply, link.now);
    }
    assert_eq!((sent.0.len(), &sent.0[0][PAYLOAD..PAYLOAD + 2]), (10, &[1, 4][..]));
    let group = ControlFrame::udp(&from_router("ff02::1"), (1000, 2000), b"hello").expect("it fits");
    link.pass(10);
    let mut reply = ReplySender { reply: &mut sent, traffic: &traffic };
    link.ipv6.port_unreachable(&group.as_bytes()[14..], &mut reply, link.now);
    assert_eq!(sent.0.len(), 10, "not about a multicast datagram");
}

#[test]
fn errors_about_own_packets_are_for_their_sockets() {
    let mut link = configured();
    let ends = Endpoints { source: address(GLOBAL), destination: address("2001:db9::1"), ..from_router(GLOBAL) };
    let packet = ControlFrame::udp(&ends, (1000, 2000), b"hello").expect("it fits");
    let message = [&[2, 0, 0, 0, 0, 0, 5, 0x14][..], &packet.as_bytes()[14..]].concat();
    let frame = ControlFrame::icmpv6(&from_router(GLOBAL), 64, &message).expect("it fits");
    link.receive(frame.as_bytes());
    let error = link.error.take().expect("an error");
    assert_eq!(
        (error.kind, error.remote),
        (IcmpErrorKind::TooBig { mtu: 1300 }, (address("2001:db9::1"), 2000).into())
    );
    assert_eq!((error.reporter, error.local_port), (address(ROUTER).into(), 1000));
    assert_eq!(usize::from(error.packet_bytes), packet.as_bytes().len() - 14);
    let others = Endpoints { source: address("2001:db9::1"), ..ends };
    let packet = ControlFrame::udp(&others, (1000, 2000), b"hello").expect("it fits");
    let message = [&[1, 4, 0, 0, 0, 0, 0, 0][..], &packet.as_bytes()[14..]].concat();
    link.receive(ControlFrame::icmpv6(&from_router(GLOBAL), 64, &message).expect("it fits").as_bytes());
    assert_eq!(link.error, None, "about a packet of another host");
}

#[test]
fn no_frame_ends_the_machine_and_memory_stays_within_bounds() {
    let mut link = configured();
    let mut state = 1;
    let seeds: [Box<dyn Fn() -> Vec<u8>>; 3] = [
        Box::new(|| {
            let message = advertisement(0xc0, 1800, "2001:db8:3::");
            ControlFrame::icmpv6(&from_router("ff02::1"), 255, &message).expect("it fits").as_bytes().to_vec()
        }),
        Box::new(|| {
            let message = ndp::advertisement(&address(ROUTER), ROUTER_MAC, true, true);
            ControlFrame::icmpv6(&from_router(GLOBAL), 255, &message).expect("it fits").as_bytes().to_vec()
        }),
        Box::new(|| {
            let ends = from_router(GLOBAL);
            let datagram = ControlFrame::udp(&ends, (547, 546), &[7; 200]).expect("it fits");
            let mut parts = Vec::new();
            icmp::fragment(datagram.as_bytes(), 100, 3, &mut |part| parts.push(part.to_vec()));
            parts.swap_remove(0)
        }),
    ];
    for round in 0..30_000 {
        let mut frame = seeds[round % seeds.len()]();
        for _ in 0..1 + next_random(&mut state) % 4 {
            let at = next_random(&mut state) as usize % frame.len();
            frame[at] = next_random(&mut state).to_le_bytes()[0];
        }
        if frame[20] == 58 {
            fill_checksum(&mut frame, 58, PAYLOAD, PAYLOAD + 2);
        }
        link.receive(&frame);
        if round % 100 == 0 {
            link.pass(1);
        }
    }
    assert!(link.ipv6.pending.len() <= 64 && link.ipv6.resolved.len() <= 600);
}
