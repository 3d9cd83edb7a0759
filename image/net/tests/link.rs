//! The stack on a LAN whose every frame is the test's: ARP, ICMP, UDP, fragments.

use core::cell::RefCell;
use std::rc::Rc;

use embassy_time::Duration;
use switchboard_net::{
    AddressSource, DropReason, IcmpErrorKind, IcmpSocket, InterfaceConfig, PingError, RawSocket, Route, UdpSocket,
};
use switchboard_net_testing::{TestLan, frames};

const OURS: [u8; 4] = [10, 0, 0, 1];
const ROUTER: [u8; 4] = [10, 0, 0, 254];
const ROUTER_MAC: [u8; 6] = [2, 0, 0, 0, 1, 254];

fn source(prefix: u8, gateway: Option<[u8; 4]>) -> AddressSource {
    AddressSource::Static { address: OURS.into(), prefix, gateway: gateway.map(Into::into) }
}

/// A host of the LAN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Host {
    mac: [u8; 6],
    address: [u8; 4],
}

impl Host {
    fn new(number: u8) -> Self {
        Self { mac: [2, 0, 0, 0, 0, number], address: [10, 0, 0, number] }
    }

    /// Sends a packet to the stack.
    fn send(self, lan: &mut TestLan, packet: &[u8]) {
        lan.send(&frames::ipv4_frame(self.mac, TestLan::MAC, packet));
    }

    /// Returns the answer to an ARP request for this host.
    fn answer(self, frame: &[u8]) -> Option<Vec<u8>> {
        let (operation, sender, target) = frames::arp_of(frame)?;
        let is_ours = operation == 1 && target == self.address && sender != target;
        is_ours.then(|| frames::arp_reply(self.mac, self.address, TestLan::MAC, sender))
    }

    /// Returns whether a frame is an ARP request for this host.
    fn is_asked_for(self, frame: &[u8]) -> bool {
        frames::arp_of(frame).is_some_and(|(operation, _, target)| operation == 1 && target == self.address)
    }

    /// Asks for the stack's Ethernet address, as a host does before its first packet.
    fn introduce(self, lan: &mut TestLan) {
        lan.send(&frames::arp_request(self.mac, self.address, OURS));
        let reply = frames::arp_reply(TestLan::MAC, OURS, self.mac, self.address);
        assert!(lan.pass(2).contains(&reply));
    }
}

/// A stack with UDP echo on port 7, whose start on the link is over.
fn lan() -> TestLan {
    start(source(24, Some(ROUTER)), InterfaceConfig::default())
}

fn start(source: AddressSource, config: InterfaceConfig) -> TestLan {
    let mut lan = TestLan::with_config(source, config);
    let socket = UdpSocket::bind(lan.stack(), 7, 300, 200_000).expect("a socket");
    lan.group().add(async move {
        let mut buffer = vec![0; 65_535];
        while let Ok((length, from)) = socket.receive(&mut buffer).await {
            let _ = socket.send(&buffer[..length], from).await;
        }
    });
    let router = Host { mac: ROUTER_MAC, address: ROUTER };
    for _ in 0..8000 {
        for frame in lan.pass(1) {
            if let Some(answer) = router.answer(&frame) {
                lan.send(&answer);
            }
        }
    }
    lan
}

fn drops(lan: &TestLan, reason: DropReason) -> u64 {
    lan.state().traffic.drops.of(reason)
}

/// Returns the payload of the UDP datagrams in frames to a host.
fn datagrams(frames: &[Vec<u8>], host: Host) -> Vec<Vec<u8>> {
    let to_host = frames.iter().filter(|frame| frame[..6] == host.mac);
    let payloads = to_host.filter_map(|frame| frames::payload_of(frame)).filter(|(protocol, _)| *protocol == 17);
    payloads.map(|(_, datagram)| datagram[8..].to_vec()).collect()
}

#[test]
fn two_hundred_and_fifty_hosts_are_answered_as_fast_as_one() {
    let mut lan = lan();
    let hosts: Vec<_> = (2..=252).map(Host::new).collect();
    for host in &hosts {
        host.introduce(&mut lan);
    }
    for _ in 0..3 {
        for host in &hosts {
            host.send(&mut lan, &frames::udp(host.address, 4000, OURS, 7, &host.address));
            assert_eq!(datagrams(&lan.pass(2), *host), [host.address]);
        }
    }
    for host in &hosts {
        host.send(&mut lan, &frames::udp(host.address, 4000, OURS, 7, &host.address));
    }
    let frames = lan.pass(3);
    assert!(hosts.iter().all(|host| datagrams(&frames, *host) == [host.address]), "all at once");
}

#[test]
fn the_answer_to_a_stranger_waits_for_its_address() {
    let mut lan = lan();
    let hosts: Vec<_> = (2..=202).map(Host::new).collect();
    for host in &hosts {
        host.send(&mut lan, &frames::udp(host.address, 4000, OURS, 7, &host.address));
    }
    let asked = lan.pass(3);
    for host in &hosts {
        assert_eq!(asked.iter().filter(|frame| host.is_asked_for(frame)).count(), 1, "one request for each");
    }
    asked
        .iter()
        .for_each(|frame| hosts.iter().filter_map(|host| host.answer(frame)).for_each(|reply| lan.send(&reply)));
    let frames = lan.pass(3);
    assert!(hosts.iter().all(|host| datagrams(&frames, *host) == [host.address]));
}

#[test]
fn the_first_ping_of_a_stranger_is_answered() {
    let (mut lan, host) = (lan(), Host::new(9));
    host.send(&mut lan, &frames::ping(host.address, OURS, 1, b"hello"));
    let asked = lan.pass(2);
    lan.send(&asked.iter().find_map(|frame| host.answer(frame)).expect("a request"));
    let frames = lan.pass(2);
    let (protocol, message) = frames::payload_of(&frames[0]).expect("a packet");
    assert_eq!((protocol, message[0], &message[8..]), (1, 0, &b"hello"[..]));
}

#[test]
fn a_host_that_does_not_answer_blocks_no_other() {
    let (mut lan, host) = (lan(), Host::new(9));
    host.introduce(&mut lan);
    for number in 100..200 {
        let absent = Host::new(number);
        absent.send(&mut lan, &frames::udp(absent.address, 4000, OURS, 7, b"lost"));
    }
    host.send(&mut lan, &frames::udp(host.address, 4000, OURS, 7, b"here"));
    assert_eq!(datagrams(&lan.pass(3), host), [b"here"]);
    let frames = lan.pass(5000);
    let requests = frames.iter().filter(|frame| Host::new(150).is_asked_for(frame)).count();
    assert_eq!(requests, 2, "three in all");
    assert_eq!(drops(&lan, DropReason::NeighbourUnreachable), 100);
}

#[test]
fn claims_of_other_hosts_do_not_redirect_the_packets_of_a_router() {
    let mut lan = lan();
    let (attacker, peer) = (Host::new(66), [192, 0, 2, 1]);
    let ask = |lan: &mut TestLan| {
        lan.send(&frames::ipv4_frame(ROUTER_MAC, TestLan::MAC, &frames::udp(peer, 4000, OURS, 7, b"from afar")));
        let frames = lan.pass(5);
        let answer = frames.iter().find(|frame| frames::payload_of(frame).is_some()).expect("an answer");
        answer[..6].to_vec()
    };
    assert_eq!(ask(&mut lan), ROUTER_MAC);
    let claims = [
        frames::arp_reply(attacker.mac, ROUTER, TestLan::MAC, OURS),
        frames::arp_request(attacker.mac, ROUTER, ROUTER),
        frames::arp_request(attacker.mac, ROUTER, OURS),
        frames::arp_reply([0; 6], ROUTER, TestLan::MAC, OURS),
        frames::arp_reply([0xff; 6], ROUTER, TestLan::MAC, OURS),
        frames::arp_reply([1, 0, 0x5e, 0, 0, 1], ROUTER, TestLan::MAC, OURS),
    ];
    let router = Host { mac: ROUTER_MAC, address: ROUTER };
    for claim in claims {
        lan.send(&claim);
        for _ in 0..3000 {
            for frame in lan.pass(1) {
                if let Some(answer) = router.answer(&frame) {
                    lan.send(&answer);
                }
            }
        }
        assert_eq!(ask(&mut lan), ROUTER_MAC);
    }
}

#[test]
fn a_gateway_beyond_the_network_of_the_address_is_on_the_link() {
    for prefix in [32, 31, 24] {
        let mut lan = start(source(prefix, Some(ROUTER)), InterfaceConfig::default());
        let packet = frames::udp([203, 0, 113, 9], 4000, OURS, 7, b"far");
        lan.send(&frames::ipv4_frame(ROUTER_MAC, TestLan::MAC, &packet));
        let router = Host { mac: ROUTER_MAC, address: ROUTER };
        assert_eq!(datagrams(&lan.pass(3), router), [b"far"], "/{prefix}");
    }
}

#[test]
fn static_routes_lead_to_their_routers() {
    let other = Host::new(253);
    let route = Route::new([198, 51, 100, 0].into(), 24, Some(other.address.into()));
    let mut lan = start(source(24, Some(ROUTER)), InterfaceConfig::default().with_route(route));
    for (peer, router) in [([198, 51, 100, 7], other), ([203, 0, 113, 9], Host { mac: ROUTER_MAC, address: ROUTER })] {
        lan.send(&frames::ipv4_frame(router.mac, TestLan::MAC, &frames::udp(peer, 4000, OURS, 7, b"routed")));
        let mut frames = lan.pass(3);
        if let Some(answer) = frames.iter().find_map(|frame| router.answer(frame)) {
            lan.send(&answer);
            frames = lan.pass(3);
        }
        assert_eq!(datagrams(&frames, router), [b"routed"], "{peer:?}");
    }
}

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

/// Returns the senders of the ARP requests for the stack's own address among frames.
fn own_requests(frames: &[Vec<u8>]) -> Vec<[u8; 4]> {
    let own = frames.iter().filter(|frame| frame[6..12] == TestLan::MAC).filter_map(|frame| frames::arp_of(frame));
    own.filter(|(operation, _, target)| *operation == 1 && *target == OURS).map(|(_, sender, _)| sender).collect()
}

#[test]
fn an_address_is_probed_for_announced_and_defended() {
    let mut lan = TestLan::new(source(24, None));
    let frames = lan.pass(5000);
    assert_eq!(own_requests(&frames), [[0; 4], OURS, [0; 4], [0; 4], OURS]);
    let other = Host { address: OURS, ..Host::new(99) };
    let mut defences = 0;
    for _ in 0..25 {
        lan.send(&frames::arp_request(other.mac, OURS, OURS));
        defences += own_requests(&lan.pass(1000)).len();
    }
    assert_eq!(defences, 3, "once in ten seconds");
    assert!(lan.state().config().ipv4_address().is_some());
    let host = Host::new(9);
    host.introduce(&mut lan);
    host.send(&mut lan, &frames::udp(host.address, 4000, OURS, 9999, b""));
    assert!(!lan.pass(3).is_empty(), "it is still in use");
}

#[test]
fn an_address_that_another_host_has_is_not_used_and_tried_again_later() {
    let mut lan = TestLan::new(source(24, None));
    let other = Host { address: OURS, ..Host::new(99) };
    let answer = |lan: &mut TestLan, milliseconds: u64| {
        let mut attempts = 0;
        for _ in 0..milliseconds {
            for frame in lan.pass(1) {
                if frames::arp_of(&frame) == Some((1, [0; 4], OURS)) {
                    attempts += 1;
                    lan.send(&frames::arp_reply(other.mac, OURS, TestLan::MAC, [0; 4]));
                }
            }
        }
        attempts
    };
    answer(&mut lan, 1000);
    assert!(lan.state().config().ipv4_address().is_none());
    lan.send(&frames::arp_request([2, 0, 0, 0, 0, 5], [10, 0, 0, 5], OURS));
    assert!(lan.pass(5).iter().all(|frame| frames::arp_of(frame).is_none()), "no answer for the address");
    let attempts = answer(&mut lan, 300_000);
    assert!((4..=6).contains(&attempts), "{attempts} in five minutes");
    // The other host is gone.
    lan.pass(70_000);
    assert!(lan.state().config().ipv4_address().is_some());
}
