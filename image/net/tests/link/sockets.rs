//! What sockets report: refusals, missing hosts, routers on the way, pings, packets of a protocol.

use super::*;

#[test]
fn a_socket_learns_that_its_datagrams_are_refused() {
    let (mut lan, host) = (lan(), Host::new(9));
    host.introduce(&mut lan);
    let socket = UdpSocket::bind(lan.stack(), 5000, 4, 4096).expect("a socket");
    let error = lan.wait(
        async move {
            socket.send(b"hello", (host.address, 53).into()).await.expect("room");
            socket.error().await
        },
        |frame| match frames::payload_of(frame) {
            Some((17, _)) => {
                let report = frames::icmp_error(host.address, OURS, [3, 3], 0, &frame[14..]);
                vec![frames::ipv4_frame(host.mac, TestLan::MAC, &report)]
            }
            _ => vec![],
        },
    );
    assert_eq!((error.kind, error.remote), (IcmpErrorKind::PortUnreachable, (host.address, 53).into()));
}

#[test]
fn a_socket_learns_that_a_host_is_not_there() {
    let mut lan = lan();
    let socket = UdpSocket::bind(lan.stack(), 5000, 4, 4096).expect("a socket");
    let error = lan.wait(
        async move {
            socket.send(b"hello", ([10, 0, 0, 77], 53).into()).await.expect("room");
            socket.error().await
        },
        |_| vec![],
    );
    assert_eq!((error.kind, error.remote.ip()), (IcmpErrorKind::HostUnreachable, [10, 0, 0, 77].into()));
}

#[test]
fn the_routers_on_the_way_report_themselves_to_a_traceroute() {
    let mut lan = lan();
    let socket = Rc::new(IcmpSocket::new(lan.stack()).expect("a socket"));
    let target = [192, 0, 2, 1];
    for hops in 1..=3 {
        let socket = socket.clone();
        let result = lan.wait(
            async move { socket.ping_with_hops(target.into(), b"trace", Duration::from_secs(5), hops).await },
            |frame| {
                let Some((1, message)) = frames::payload_of(frame) else { return vec![] };
                assert_eq!((&frame[..6], frame[22]), (&ROUTER_MAC[..], hops));
                let answer = match hops {
                    3 => {
                        let mut reply = message.to_vec();
                        reply[0] = 0;
                        let mut packet = frames::ping(target, OURS, 0, b"trace");
                        packet[20..].copy_from_slice(&reply);
                        packet[22..24].fill(0);
                        let sum = checksum(&packet[20..]);
                        packet[22..24].copy_from_slice(&sum.to_be_bytes());
                        packet
                    }
                    _ => frames::icmp_error([198, 51, 100, hops], OURS, [11, 0], 0, &frame[14..]),
                };
                vec![frames::ipv4_frame(ROUTER_MAC, TestLan::MAC, &answer)]
            },
        );
        match result {
            Err(PingError::Reported(error)) if hops < 3 => {
                assert_eq!((error.kind, error.reporter), (IcmpErrorKind::TimeExceeded, [198, 51, 100, hops].into()));
            }
            Ok(reply) => assert!(hops == 3 && reply.is_intact && reply.from == core::net::IpAddr::from(target)),
            other => panic!("hop {hops}: {other:?}"),
        }
    }
}

/// The Internet checksum.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|word| u32::from(u16::from_be_bytes([word[0], word.get(1).copied().unwrap_or(0)])));
    let add_carries = |sum: u32| (sum & 0xffff) + (sum >> 16);
    !u16::try_from(add_carries(add_carries(words.sum()))).expect("16 bits")
}

#[test]
fn a_ping_without_an_answer_times_out() {
    let mut lan = lan();
    let socket = IcmpSocket::new(lan.stack()).expect("a socket");
    let ping = async move { socket.ping([192, 0, 2, 1].into(), b"", Duration::from_secs(2)).await };
    assert_eq!(lan.wait(ping, |_| vec![]), Err(PingError::TimedOut));
}

#[test]
fn raw_sockets_receive_packets_of_their_protocol() {
    let (mut lan, host) = (lan(), Host::new(9));
    host.introduce(&mut lan);
    let socket = RawSocket::bind(lan.stack(), 89, 4, 4096).expect("a socket");
    let received = Rc::new(RefCell::new(Vec::new()));
    let place = received.clone();
    lan.group().add(async move {
        let mut buffer = [0; 1500];
        let (length, from) = socket.receive(&mut buffer).await.expect("a packet");
        place.borrow_mut().extend_from_slice(&buffer[..length]);
        socket.send(from, 1, b"answer").expect("room");
    });
    lan.step();
    let packet = frames::ipv4(host.address, OURS, 89, b"question");
    host.send(&mut lan, &packet);
    let frames = lan.pass(3);
    assert_eq!(*received.borrow(), packet);
    assert_eq!((frames.len(), frames::payload_of(&frames[0]), frames[0][22]), (1, Some((89, &b"answer"[..])), 1));
}
