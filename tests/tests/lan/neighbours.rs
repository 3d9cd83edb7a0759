//! Neighbours: many hosts, hosts that do not answer, forged answers (RFC 1122, 2.3.2).

use std::collections::HashSet;
use std::time::Instant;

use switchboard_tests::lan::packet::{ARP, BROADCAST, arp, ethernet};
use switchboard_tests::lan::{Behaviour, Frame, GUEST_MAC, Lan, Mac, Phase};

use crate::{far, seconds};

const LIMIT: core::time::Duration = seconds(20);

#[test]
fn many_hosts_are_served_as_fast_as_one() {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu);
    let hosts: Vec<_> = (2..=249).map(|last| lan.host(last)).collect();
    let start = Instant::now();
    let slow = |time: &core::time::Duration| *time > core::time::Duration::from_millis(900);
    let times: Vec<_> = hosts.iter().map(|host| lan.probe(host).expect("a page")).collect();
    let slow_ones = times.iter().filter(|time| slow(time)).count();
    // With a cache that is too small, each host waits for a second.
    assert!(slow_ones < 10, "{slow_ones} of {} hosts in turn waited for a second", hosts.len());
    assert!(start.elapsed() < seconds(60));

    // All at once, and each again.
    for _ in 0..2 {
        let connections: Vec<_> = hosts.iter().map(|host| host.connect(80)).collect();
        for connection in &connections {
            let body = connection.last_request("/hello", seconds(30)).expect("a page").body;
            assert_eq!(body, b"Hello, world!");
        }
    }
}

#[test]
fn a_silent_host_is_asked_for_once_a_second_and_delays_no_other() {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu.option("services=echo"));
    let (silent, other) = (lan.host(66).silent(), lan.host(67));
    let mark = lan.mark();
    // The first datagram of hosts that the guest has not heard of; one host never answers.
    for port in 0..20 {
        silent.send_udp(5000 + port, 7, b"silent");
        other.send_udp(5000 + port, 7, b"other");
    }
    let echoes = |lan: &Lan| lan.count_since(mark, |frame| frame.udp().is_some_and(|(.., data)| data == b"other"));
    lan.sleep(seconds(3));
    assert!(echoes(&lan) >= 4, "{} of 20 datagrams of the answering host were echoed", echoes(&lan));
    let requests = lan.arp_requests_since(mark, silent.v4());
    assert!((1..=6).contains(&requests), "{requests} ARP requests for one silent host in 3 s");
    // Whatever waits for the silent host, others go on.
    for port in 0..5 {
        let mark = lan.mark();
        lan.host(70 + port).send_udp(6000, 7, b"late");
        lan.wait_for(mark, LIMIT, |frame| (frame.udp()?.2 == b"late").then_some(())).expect("an echo");
    }
}

#[test]
fn requests_are_limited_for_each_destination_by_itself() {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu.option("services=echo"));
    let mark = lan.mark();
    for last in 100..150 {
        lan.host(last).silent().send_udp(5000, 7, b"x");
    }
    lan.sleep(seconds(3));
    let asked: HashSet<_> = lan.frames_since(mark).iter().filter_map(Frame::arp).map(|arp| arp.target).collect();
    // Not one destination a second for all of them together.
    assert!(asked.len() >= 10, "{} of 50 unknown hosts were asked for", asked.len());
    for last in 100..150 {
        let requests = lan.arp_requests_since(mark, lan.host(last).v4());
        assert!(requests <= 6, "{requests} requests in 3 s for one host");
    }
}

#[test]
fn the_first_packet_of_a_stranger_is_answered() {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu);
    for last in 50..60 {
        assert!(lan.host(last).ping(b"first", LIMIT), "the first ping of 10.0.0.{last}");
    }
}

/// Sends ARP requests of hosts that do not exist, from 10.9.16.0 on.
fn flood(lan: &Lan, frames: u32) {
    for index in 0..frames {
        let [_, a, b, c] = index.to_be_bytes();
        let sender = ([2, 9, 9, a, b, c], core::net::Ipv4Addr::new(10, 9, 16 + b, c));
        lan.send(ethernet(BROADCAST, sender.0, ARP, &arp(1, sender, ([0; 6], lan.address()))));
    }
}

#[test]
fn a_flood_of_arp_keeps_established_flows() {
    let lan = Lan::start("10.9.0.1/16", |qemu| qemu.option("services=echo"));
    let host = lan.host(2);
    let connection = host.connect(7);
    assert!(connection.is_opened(LIMIT));
    for round in 0..10 {
        flood(&lan, 2000);
        let data = format!("round {round}");
        connection.send(data.as_bytes());
        let echo = connection.receive(data.len(), LIMIT).expect("an echo during the flood");
        assert_eq!(echo, data.as_bytes());
        lan.probe(&lan.host(100 + round)).expect("a page for a new host");
    }
}

/// Returns the Ethernet addresses that segments of one connection went to.
fn destinations(lan: &Lan, mark: usize, port: u16) -> HashSet<Mac> {
    let frames = lan.frames_since(mark);
    let of_port = |frame: &&Frame| frame.tcp().is_some_and(|(to, _)| to.port() == port);
    frames.iter().filter(of_port).map(|frame| frame.destination).collect()
}

#[test]
fn a_forged_gateway_is_not_believed_and_flows_go_on() {
    let lan = Lan::start("10.0.0.1/24,10.0.0.254", |qemu| qemu.option("services=echo"));
    let gateway = lan.host(254);
    let remote = gateway.behind(far(7));
    let connection = remote.connect_from(40_000, 7, Behaviour::default());
    assert!(connection.is_opened(LIMIT));
    let claim = |operation, mac: Mac, destination| {
        let target = if operation == 1 { ([0; 6], gateway.v4()) } else { (GUEST_MAC, lan.address()) };
        lan.send(ethernet(destination, [2, 6, 6, 6, 6, 6], ARP, &arp(operation, (mac, gateway.v4()), target)));
    };
    // Addresses that no host can have: zero, broadcast, multicast, the guest's own.
    let impossible = [[0; 6], BROADCAST, [1, 0, 0x5e, 0, 0, 1], GUEST_MAC];
    // And addresses of an attacker, who announces, replies unasked, and asks.
    let attacker = [2, 6, 6, 6, 6, 6];
    for mac in impossible.into_iter().chain([attacker]) {
        for operation in [2, 1] {
            claim(operation, mac, GUEST_MAC);
            claim(operation, mac, BROADCAST);
        }
        let mark = lan.mark();
        connection.send(b"still here");
        connection.receive(10, LIMIT).unwrap_or_else(|_| panic!("no echo after a claim of {mac:02x?}"));
        assert_eq!(connection.phase(), Phase::Open);
        assert_eq!(destinations(&lan, mark, 40_000), HashSet::from([gateway.mac()]), "after {mac:02x?}");
    }
    lan.probe(&gateway.behind(far(8))).expect("a page for a new client behind the gateway");
}

#[test]
fn a_gateway_that_moves_to_another_card_is_followed() {
    let lan = Lan::start("10.0.0.1/24,10.0.0.254", |qemu| qemu);
    lan.probe(&lan.host(254).behind(far(7))).expect("a page");
    // The other router of a redundant pair takes over: it alone answers, and announces itself.
    let other = lan.host_with([2, 7, 7, 7, 7, 7], lan.host(254).address()).answering();
    let announcement = arp(1, (other.mac(), other.v4()), ([0; 6], other.v4()));
    lan.send(ethernet(BROADCAST, other.mac(), ARP, &announcement));
    let client = other.behind(far(9));
    // Segments to the former address are lost.
    let mac = other.mac();
    lan.lose(move |frame| frame.tcp().is_some() && frame.destination != mac);
    client.fetch("/hello", seconds(50)).expect("a page by the new gateway");
}

#[test]
fn an_address_from_a_damaged_request_is_corrected() {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu);
    let (host, other) = (lan.host(2), lan.host(4));
    // The Ethernet address is right, the IP address is that of another host.
    let request = arp(1, (host.mac(), other.v4()), ([0; 6], lan.address()));
    lan.send(ethernet(BROADCAST, host.mac(), ARP, &request));
    // As a switch has it: what goes to another station does not arrive.
    let mac = other.mac();
    lan.lose(move |frame| frame.ip.is_some() && frame.destination != mac);
    let start = Instant::now();
    other.fetch("/hello", seconds(15)).expect("a page");
    // The answer to the SYN is repeated after a second, then the address is asked for.
    assert!(start.elapsed() > seconds(1), "the forged address was not used");
}
