//! Clients that take long or take much: deadlines of heads and bodies, a share for each peer.

use core::time::Duration;

use switchboard_tests::lan::{Behaviour, LIMIT, Lan, Peer};

use crate::seconds;

/// Opens `count` connections of one host, some at a time, and sends the same on each.
fn open(lan: &Lan, last: u8, count: usize, first: &[u8]) -> Vec<Peer> {
    let host = lan.host(last);
    let mut connections = Vec::new();
    while connections.len() < count {
        let some: Vec<_> = (0..8).map(|_| host.connect(80)).collect();
        // What is refused or left unanswered when one host has its share is no matter here.
        for connection in &some {
            if connection.is_opened(Duration::from_millis(100)) {
                connection.send(first);
            }
        }
        connections.extend(some);
    }
    connections
}

fn count_open(connections: &[Peer]) -> usize {
    connections.iter().filter(|connection| connection.is_open()).count()
}

/// Checks that new hosts are served while these connections send a byte each in every round.
fn others_are_served(lan: &Lan, connections: &[Peer], rounds: u8) {
    for round in 0..rounds {
        for connection in connections.iter().filter(|connection| connection.is_open()) {
            connection.send(b"a");
        }
        let time = lan.probe(&lan.host(100 + round));
        let open = count_open(connections);
        let time = time.unwrap_or_else(|error| panic!("round {round}, {open} others open: {error}"));
        assert!(time < seconds(8), "round {round}, {open} others open: {time:?}");
        lan.sleep(Duration::from_millis(700));
    }
}

#[test]
fn heads_that_never_end_keep_no_one_out() {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu);
    let connections = open(&lan, 3, 384, b"GET /hello HTTP/1.1\r\nHost: x\r\nX: ");
    others_are_served(&lan, &connections, 6);
    lan.assert_few_warnings(20);
}

#[test]
fn bodies_that_never_end_keep_no_one_out() {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu);
    let connections = open(&lan, 3, 384, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n");
    others_are_served(&lan, &connections, 6);
    lan.assert_few_warnings(20);
}

#[test]
fn connections_that_send_nothing_keep_no_one_out() {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu);
    let connections = open(&lan, 3, 500, b"");
    let time = lan.probe(&lan.host(100)).expect("a page");
    assert!(time < seconds(8), "{time:?} beside {} silent connections", count_open(&connections));
}

#[test]
fn idle_connections_of_one_host_keep_no_one_out() {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu);
    let request = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";
    let connections = open(&lan, 3, 384, request);
    lan.sleep(seconds(1));
    // They ask again and again, and new hosts are served at once.
    for round in 0..4 {
        let time = lan.probe(&lan.host(100 + round));
        let time = time.unwrap_or_else(|error| panic!("beside {} connections: {error}", count_open(&connections)));
        assert!(time < seconds(8), "{time:?} beside {} connections", count_open(&connections));
        connections.iter().filter(|connection| connection.is_open()).for_each(|connection| connection.send(request));
        lan.sleep(seconds(1));
    }
    // What was open and asked is answered, and not reset.
    let answered = connections.iter().filter(|connection| {
        connection.with(|connection| String::from_utf8_lossy(&connection.received).matches("Hello, world!").count() > 1)
    });
    let answered = answered.count();
    assert!(answered > 20, "{answered} of 384 idle connections were answered again");
}

#[test]
fn downloads_that_are_not_read_keep_no_one_out() {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu.option("services=chargen,echo"));
    let host = lan.host(3);
    let behaviour = || Behaviour { window: 2000, retransmits: false, ..Behaviour::default() };
    let downloads: Vec<_> = (0..400).map(|_| host.connect_with(80, behaviour())).collect();
    lan.sleep(seconds(1));
    for download in downloads.iter().filter(|download| download.is_open()) {
        download.send(b"GET /files/1mib.bin HTTP/1.1\r\nHost: x\r\n\r\n");
        download.behave(|behaviour| behaviour.window = 0);
    }
    let _streams: Vec<_> = (0..100).map(|_| host.connect_with(19, behaviour())).collect();
    lan.sleep(seconds(1));
    let time = lan.probe(&lan.host(100)).expect("a page for another host");
    assert!(time < seconds(10), "{time:?}");
    let chargen = lan.host(101).connect(19);
    assert!(chargen.receive(74, LIMIT).is_ok(), "chargen for another host: {:?}", chargen.phase());
    lan.assert_few_warnings(20);
}

#[test]
fn hosts_that_vanish_keep_no_one_out() {
    let lan = Lan::start("10.0.0.1/24,10.0.0.254", |qemu| qemu);
    let gateway = lan.host(254);
    for index in 0..384 {
        // The handshake is completed, and then nothing is heard of the host.
        let connection = gateway.behind(crate::far(index)).connect(80);
        assert!(connection.is_opened(LIMIT) || index > 200, "connection {index}: {:?}", connection.phase());
    }
    let time = lan.probe(&gateway.behind(crate::far(1000))).expect("a page");
    assert!(time < seconds(10), "{time:?}");
}
