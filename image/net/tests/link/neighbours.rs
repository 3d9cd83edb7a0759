//! ARP and routes: which hosts are asked for, and where packets go.

use super::*;

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
