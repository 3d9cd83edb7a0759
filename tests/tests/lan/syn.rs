//! Half-open connections and bursts (RFC 4987), and packets from the guest to itself.

use core::time::Duration;

use switchboard_tests::lan::packet::{ACK, RST, SYN, Segment, tcp, udp};
use switchboard_tests::lan::{Behaviour, Lan, Phase};

use crate::{far, seconds};

const LIMIT: Duration = seconds(20);

fn silent() -> Behaviour {
    Behaviour { completes: false, retransmits: false, ..Behaviour::default() }
}

#[test]
fn half_open_connections_keep_no_one_out() {
    let lan = Lan::start("10.0.0.1/24,10.0.0.254", |qemu| qemu.option("services=all"));
    let (gateway, client) = (lan.host(254), lan.host(2));
    for count in [16, 64, 1000] {
        let mark = lan.mark();
        for index in 0..count {
            let (port, source) = (20_000 + u16::try_from(index).expect("few"), far(index * 7));
            let (from, to) = ((source, port).into(), (lan.address(), 80).into());
            let options = vec![2, 4, 5, 0xb4];
            gateway.behind(source).send(&tcp(
                from,
                to,
                &Segment { seq: index, flags: SYN, options, ..Segment::default() },
            ));
        }
        lan.probe(&client).unwrap_or_else(|error| panic!("after {count} half-open connections: {error}"));
        let resets = lan.count_since(mark, |frame| frame.tcp().is_some_and(|(_, segment)| segment.has(RST)));
        assert_eq!(resets, 0, "resets after {count} SYNs");
    }
    for port in [7, 9, 19] {
        let _half_open: Vec<_> = (0..4).map(|_| client.connect_with(port, silent())).collect();
        assert!(lan.host(3).connect(port).is_opened(LIMIT), "port {port} after 4 half-open connections");
    }
}

#[test]
fn a_flood_of_syns_keeps_no_one_out() {
    let lan = Lan::start("10.0.0.1/24,10.0.0.254", |qemu| qemu);
    let gateway = lan.host(254);
    let mut index = 0;
    for round in 0..10 {
        // About as many as 2,000 a second, for as long as the probe takes.
        let connection = lan.host(10 + round).connect(80);
        for _ in 0..400 {
            index += 1;
            let port = 1024 + u16::try_from(index % 60_000).expect("16 bits");
            let (from, to) = ((far(index), port).into(), (lan.address(), 80).into());
            gateway.send(&tcp(from, to, &Segment { seq: index * 99, flags: SYN, ..Segment::default() }));
        }
        let body = connection.last_request("/hello", LIMIT).expect("a page during the flood").body;
        assert_eq!(body, b"Hello, world!");
    }
    lan.probe(&lan.host(3)).expect("a page after the flood");
}

#[test]
fn of_a_burst_all_are_served_and_none_is_reset() {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu);
    let host = lan.host(2);
    for count in [16, 17, 64, 128, 256] {
        let connections: Vec<_> = (0..count).map(|_| host.connect(80)).collect();
        for (index, connection) in connections.iter().enumerate() {
            let opened = connection.is_opened(seconds(30));
            assert!(opened, "connection {index} of {count}: {:?}", connection.phase());
        }
        for (index, connection) in connections.iter().enumerate() {
            let body = connection.last_request("/hello", seconds(30));
            let body = body.unwrap_or_else(|error| panic!("connection {index} of {count}: {error}")).body;
            assert_eq!(body, b"Hello, world!");
        }
    }
}

#[test]
fn a_closed_port_resets() {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu);
    let connection = lan.host(2).connect(81);
    assert!(connection.wait(LIMIT, |connection| connection.phase == Phase::Reset), "a reset");
    let (_, reset) = &connection.segments_since(0)[0];
    // RFC 9293, 3.10.7.1: a SYN without ACK is reset with sequence number 0, and acknowledged.
    assert!(reset.has(RST | ACK) && reset.seq == 0, "{reset:?}");
}

#[test]
fn packets_from_the_guest_to_itself_do_no_harm() {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu.option("services=all"));
    let own = lan.address();
    let host = lan.host(2);
    let mark = lan.mark();
    for index in 0..50 {
        // LAND: a SYN from the guest's own address and port.
        for from in [80, 1000 + index] {
            let segment = Segment { seq: index.into(), flags: SYN, ..Segment::default() };
            host.send(&tcp((own, from).into(), (own, 80).into(), &segment));
        }
        host.send(&udp((own, 7).into(), (own, 7).into(), b"x"));
    }
    lan.probe(&host).expect("a page after it");
    let sent = lan.count_since(mark, |frame| frame.ip.is_some_and(|ip| ip.destination == own));
    assert_eq!(sent, 0, "packets to itself on the link");
}
