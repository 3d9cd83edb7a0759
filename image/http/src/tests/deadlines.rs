//! Deadlines, on a whole stack, where time passes as the test lets it.

use switchboard_net_testing::TestNetwork;

use super::*;

/// Sends `piece` every so many milliseconds after `head`. Returns what came back, and after how many seconds the connection
/// ended; at most three minutes.
fn drip(head: &str, piece: &str, interval_ms: usize) -> (String, usize) {
    let mut network = TestNetwork::new();
    crate::serve(network.group(), network.stack(), &Small, HttpCounters::leak());
    let connection = network.connect(80);
    while !network.is_connected(connection) {
        network.step();
    }
    network.send(connection, head.as_bytes());
    let mut received = Vec::new();
    for step in 1..180_000 {
        network.step();
        if step % interval_ms == 0 {
            network.send(connection, piece.as_bytes());
        }
        received.extend(network.receive(connection));
        if network.has_ended(connection) {
            return (String::from_utf8(received).expect("text"), step / 1000);
        }
    }
    (String::from_utf8(received).expect("text"), 180)
}

#[test]
fn a_head_has_one_deadline() {
    let (response, seconds) = drip("GET / HTTP/1.1\r\nHost: x\r\nX: ", "x", 900);
    assert!(response.starts_with("HTTP/1.1 408 "), "{response}");
    assert!((10..=15).contains(&seconds), "{seconds}");
    assert_eq!(drip("", "", 1000).0, "", "a connection without a request is closed");
}

#[test]
fn a_body_has_a_minimum_rate() {
    let head = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 90\r\n\r\n";
    let (response, seconds) = drip(head, "x", 1000);
    assert!(response.starts_with("HTTP/1.1 408 "), "{response}");
    assert!((14..=30).contains(&seconds), "{seconds}");
    let ignored = "POST /ignore HTTP/1.1\r\nHost: x\r\nContent-Length: 90\r\n\r\n";
    let (response, seconds) = drip(ignored, "x", 1000);
    assert!(response.ends_with("ignored") && seconds < 12, "{seconds}: {response}");
}

/// Opens connections, sends the same on each, and returns them.
fn open(network: &mut TestNetwork, count: usize, request: &[u8]) -> Vec<switchboard_net_testing::Connection> {
    let mut connections = Vec::new();
    for _ in 0..count {
        let connection = network.connect(8080);
        for _ in 0..5 {
            network.step();
        }
        network.send(connection, request);
        connections.push(connection);
    }
    for _ in 0..20 {
        network.step();
    }
    connections
}

/// Returns whether a newcomer is served within a second.
fn is_served(network: &mut TestNetwork) -> bool {
    let newcomer = network.connect(8080);
    for _ in 0..1000 {
        network.step();
        if network.is_connected(newcomer) {
            network.send(newcomer, b"GET / HTTP/1.0\r\n\r\n");
            break;
        }
    }
    let mut received = Vec::new();
    for _ in 0..1000 {
        network.step();
        received.extend(network.receive(newcomer));
    }
    received.ends_with(b"root")
}

#[test]
fn idle_connections_make_room() {
    for request in [&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], b""] {
        let mut network = TestNetwork::new();
        crate::Server::new(8080, &Small).max_connections(40).serve(network.group(), network.stack());
        open(&mut network, 60, request);
        // In its first second, a connection that has not sent anything keeps its place.
        (0..1100).for_each(|_| network.step());
        for round in 0..3 {
            assert!(is_served(&mut network), "round {round}, after {}", request.escape_ascii());
        }
    }
}
