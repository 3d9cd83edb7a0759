//! Buffers that are enlarged while a connection is open.

use std::rc::Rc;

use switchboard_net::TcpStream;

use super::peer::{Conn, Lan};
use super::{echo_all, opened};

/// Returns so many bytes, which differ.
fn content(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index % 251).to_le_bytes()[0]).collect()
}

/// Sends data in segments, without a wait for acknowledgements.
fn burst(lan: &mut Lan, conn: &mut Conn, data: &[u8]) {
    for part in data.chunks(1000) {
        conn.send(lan, part);
    }
}

#[test]
fn what_was_not_read_is_kept_and_the_peer_learns_of_the_window() {
    let (mut lan, mut conn, stream) = opened();
    let data = content(60_000);
    burst(&mut lan, &mut conn, &data[..3000]);
    conn.run(&mut lan, 5);
    assert!(stream.enlarge_buffers(64 * 1024, 64 * 1024));
    let updates = conn.run(&mut lan, 5);
    assert!(updates.iter().any(|segment| segment.window == 65_535 - 3000), "{updates:?}");
    // More than the buffers had before, with all of it unread.
    burst(&mut lan, &mut conn, &data[3000..]);
    let acknowledged = conn.run(&mut lan, 50).last().and_then(|segment| segment.acknowledgement);
    assert_eq!(acknowledged, Some(conn.next.sequence));
    echo_all(&lan, &stream);
    conn.run(&mut lan, 300);
    assert!(conn.received == data && !conn.is_reset);
}

#[test]
fn a_window_that_was_offered_is_not_taken_back() {
    let (mut lan, mut conn, stream) = opened();
    assert!(stream.enlarge_buffers(64 * 1024, 0), "nothing was received yet");
    assert!(stream.enlarge_buffers(64 * 1024, 0), "it is as large");
    echo_all(&lan, &stream);
    for round in 0..3 {
        let data = content(50_000 + round);
        conn.received.clear();
        burst(&mut lan, &mut conn, &data);
        let segments = conn.run(&mut lan, 300);
        assert!(conn.received == data, "round {round}");
        assert!(segments.len() < 200, "nothing is sent again");
        // Its buffers are freed meanwhile.
        conn.run(&mut lan, 10_000);
    }
}

#[test]
fn buffers_stay_while_data_is_in_flight_or_a_side_is_closed() {
    let (mut lan, mut conn, stream) = opened();
    conn.acknowledges = false;
    echo_all(&lan, &stream);
    conn.send(&mut lan, b"unacknowledged");
    conn.run(&mut lan, 10);
    assert!(!stream.enlarge_buffers(64 * 1024, 64 * 1024));
    conn.acknowledges = true;
    conn.run(&mut lan, 2000);
    assert!(stream.enlarge_buffers(64 * 1024, 64 * 1024));
    stream.close();
    assert!(!stream.enlarge_buffers(64 * 1024, 256 * 1024));
    assert_eq!(conn.received, b"unacknowledged");
}

#[test]
fn a_full_memory_budget_leaves_the_buffers() {
    let (_lan, _conn, stream): (_, _, Rc<TcpStream>) = opened();
    let usage = switchboard_runtime::memory_budget::usage();
    assert!(!stream.enlarge_buffers(0, usage.limit_bytes / 2));
}
