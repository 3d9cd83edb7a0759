//! Segments that an established connection must survive, and those that end it (RFC 9293, RFC 5961).

use switchboard_tests::lan::packet::{ACK, FIN, PSH, RST, SYN, Segment};
use switchboard_tests::lan::{Behaviour, LIMIT, Lan, Peer, Phase};

use crate::seconds;

/// Returns whether the connection echoes what is sent on it.
fn is_alive(connection: &Peer) -> bool {
    connection.send(b"alive?");
    connection.receive(6, seconds(3)).is_ok_and(|echo| echo == b"alive?")
}

/// Sends a segment that `change` makes, on a new connection; returns the connection and the answers.
fn after(lan: &Lan, change: impl FnOnce(&mut Segment)) -> (Peer, Vec<Segment>) {
    let connection = lan.host(2).connect(7);
    assert!(connection.is_opened(LIMIT));
    assert!(is_alive(&connection));
    // The acknowledgement of the echo arrives first: after a reset, one is answered by a reset.
    lan.sleep(core::time::Duration::from_millis(50));
    let before = connection.segment_count();
    connection.send_raw(change);
    lan.sleep(core::time::Duration::from_millis(400));
    let answers = connection.segments_since(before).into_iter().map(|(_, segment)| segment).collect();
    (connection, answers)
}

fn pure_acks(answers: &[Segment]) -> usize {
    answers.iter().filter(|answer| answer.flags == ACK && answer.data.is_empty()).count()
}

#[test]
fn only_an_exact_reset_ends_a_connection() {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu.option("services=echo"));
    // RFC 5961, 3.2: exact ends it.
    let (connection, answers) = after(&lan, |segment| segment.flags = RST);
    assert!(answers.is_empty(), "{answers:?}");
    assert!(!is_alive(&connection), "an exact reset");
    // In the window: a challenge.
    for offset in [1, 1000] {
        let (connection, answers) = after(&lan, |segment| {
            segment.flags = RST;
            segment.seq = segment.seq.wrapping_add(offset);
        });
        assert_eq!(pure_acks(&answers), 1, "a challenge for a reset {offset} bytes into the window: {answers:?}");
        assert!(is_alive(&connection), "after a reset {offset} bytes into the window");
    }
    // Outside: dropped in silence.
    for offset in [-1_i32, 100_000, i32::MIN] {
        let (connection, answers) = after(&lan, |segment| {
            segment.flags = RST;
            segment.seq = segment.seq.wrapping_add_signed(offset);
        });
        assert!(answers.is_empty(), "answers to a reset at {offset}: {answers:?}");
        assert!(is_alive(&connection), "after a reset at {offset}");
    }
}

#[test]
fn a_syn_on_an_open_connection_is_challenged() {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu.option("services=echo"));
    for offset in [0, 1000, -500, 100_000] {
        let (connection, answers) = after(&lan, |segment| {
            segment.flags = SYN;
            segment.ack = 0;
            segment.seq = segment.seq.wrapping_add_signed(offset);
        });
        assert_eq!(pure_acks(&answers), 1, "a challenge for a SYN at {offset}: {answers:?}");
        assert!(is_alive(&connection), "after a SYN at {offset}");
    }
}

#[test]
fn acknowledgements_of_what_was_not_sent_or_long_ago_are_challenged() {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu.option("services=echo"));
    // RFC 5961, 5.2, with data that must not be taken.
    for offset in [100_000_i32, -1_000_000] {
        let (connection, answers) = after(&lan, |segment| {
            segment.flags = PSH | ACK;
            segment.data = b"inject".to_vec();
            segment.ack = segment.ack.wrapping_add_signed(offset);
        });
        assert!(answers.iter().all(|answer| answer.data.is_empty() && !answer.has(RST)), "{answers:?}");
        assert!(pure_acks(&answers) <= 2, "{answers:?}");
        assert!(is_alive(&connection), "after an acknowledgement at {offset}");
    }
}

#[test]
fn challenges_are_limited_and_storms_of_resets_survived() {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu.option("services=echo"));
    let connection = lan.host(2).connect(7);
    assert!(connection.is_opened(LIMIT) && is_alive(&connection));
    let before = connection.segment_count();
    for index in 1..3000_u32 {
        // In the window and outside of it, never exact.
        let offset = if index % 2 == 0 { index } else { index.wrapping_mul(0x9e37_79b9) | 1 };
        connection.send_raw(|segment| {
            segment.flags = RST;
            segment.seq = segment.seq.wrapping_add(offset);
        });
    }
    assert!(is_alive(&connection));
    let answers = connection.segment_count() - before;
    // Linux sends at most one challenge in half a second for a connection; RFC 5961, 7 leaves the limit open.
    assert!(answers < 300, "{answers} answers to 3,000 resets");
    lan.assert_few_warnings(5);
}

#[test]
fn a_connection_can_be_opened_again_from_the_same_port() {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu);
    let host = lan.host(2);
    for round in 0..5_u32 {
        // The guest closes first, and would be in TIME-WAIT (RFC 9293, 3.10.7.4, and RFC 6191).
        let initial = Some(round.wrapping_mul(10_000_000));
        let connection = host.connect_from(40_000, 80, Behaviour { initial, ..Behaviour::default() });
        let response = connection.last_request("/hello", LIMIT);
        assert_eq!(response.unwrap_or_else(|error| panic!("round {round}: {error}")).body, b"Hello, world!");
        assert!(connection.wait(LIMIT, |connection| connection.is_ended));
        lan.sleep(core::time::Duration::from_millis(50));
    }
}

#[test]
fn a_lost_last_acknowledgement_does_not_hold_the_port() {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu);
    let host = lan.host(2);
    // The host restarts in the middle of a connection, and connects again from the same port (RFC 9293, 3.5.1).
    let first = host.connect_from(40_001, 80, Behaviour::default());
    first.request("/hello", LIMIT).expect("a page");
    drop(first);
    let second = host.connect_from(40_001, 80, Behaviour { initial: Some(7_000_000), ..Behaviour::default() });
    // The guest's challenge is answered by a reset, as a host without that connection does.
    let challenged = second.wait(LIMIT, |connection| !connection.segments.is_empty());
    assert!(challenged, "an answer to the SYN");
    if second.phase() == Phase::SynSent {
        let (_, challenge) = second.segments_since(0)[0].clone();
        second.send_raw(|segment| {
            segment.flags = RST;
            segment.seq = challenge.ack;
        });
    }
    let response = second.last_request("/hello", seconds(30)).expect("a page after the restart");
    assert_eq!(response.body, b"Hello, world!");
}

#[test]
fn requests_in_odd_pieces_are_answered() {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu);
    let request = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";
    let answer = |pieces: &[(usize, &[u8])]| {
        let connection = lan.host(2).connect(80);
        assert!(connection.is_opened(LIMIT));
        // What is lost for want of room comes again, as from any host.
        for _ in 0..4 {
            for (offset, data) in pieces {
                connection.send_raw(|segment| {
                    segment.flags = PSH | ACK;
                    segment.seq = segment.seq.wrapping_add(u32::try_from(*offset).expect("short"));
                    segment.data = data.to_vec();
                });
            }
            if let Ok(answer) = connection.receive(60, seconds(2)) {
                return answer;
            }
        }
        panic!("no answer to {pieces:?}");
    };
    let bytes: Vec<_> = request.chunks(1).enumerate().collect();
    let mut reversed: Vec<_> = request.chunks(4).enumerate().map(|(index, piece)| (index * 4, piece)).collect();
    reversed.reverse();
    let overlapping = [(0, &request[..20]), (10, &request[10..]), (20, &request[20..])];
    for pieces in [&bytes[..], &reversed, &overlapping] {
        assert!(answer(pieces).starts_with(b"HTTP/1.1 200"));
    }
}

#[test]
fn a_half_closed_connection_is_served_to_its_end() {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu.option("services=echo"));
    let echo = lan.host(2).connect(7);
    assert!(echo.is_opened(LIMIT));
    let data = [b'z'; 2800];
    echo.send(&data);
    echo.finish();
    assert_eq!(echo.receive(2800, LIMIT).expect("all of it"), data);
    assert!(echo.wait(LIMIT, |connection| connection.is_ended), "the guest's end");

    let web = lan.host(3).connect(80);
    assert!(web.is_opened(LIMIT));
    web.send(b"GET /files/1mib.bin HTTP/1.1\r\nHost: x\r\n\r\n");
    web.finish();
    let is_whole = web.wait(LIMIT, |connection| connection.received.ends_with(b"000000000065535\n"));
    assert!(is_whole, "{} bytes", web.with(|connection| connection.received.len()));
    assert!(web.segments_since(0).iter().all(|(_, segment)| !segment.has(RST)), "a reset");
}

#[test]
fn options_and_offsets_of_any_kind_do_no_harm() {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu);
    let options: [&[u8]; 10] = [
        &[2, 0, 0, 0],
        &[2, 1, 0, 0],
        &[2, 4, 0, 0],
        &[2, 4, 0, 1],
        &[3, 3, 0xff, 1],
        &[5, 0, 0, 0],
        &[5, 0xff, 0, 0],
        &[0xfe, 0, 1, 1],
        &[1; 40],
        &[2, 4, 0xff, 0xff],
    ];
    for syn_options in options {
        let behaviour = Behaviour { syn_options: syn_options.to_vec(), retransmits: false, ..Behaviour::default() };
        let connection = lan.host(2).connect_with(80, behaviour);
        if connection.is_opened(seconds(1)) {
            connection.reset();
        }
    }
    // Flags that no segment has together.
    for flags in [0, FIN, SYN | FIN, SYN | RST, FIN | PSH | 32, 63, SYN | FIN | RST | ACK] {
        let connection = lan.host(2).connect_with(80, Behaviour { retransmits: false, ..Behaviour::default() });
        connection.send_raw(|segment| segment.flags = flags);
    }
    lan.probe(&lan.host(3)).expect("a page");
    lan.assert_few_warnings(5);
}
