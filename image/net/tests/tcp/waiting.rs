//! Peers that are silent, or take nothing more.

use super::*;

#[test]
fn a_closed_window_that_is_answered_keeps_the_connection() {
    let (mut lan, mut conn, stream) = opened();
    let writer = stream.clone();
    lan.network.group().add(async move {
        let mut rest = &[7; 20_000][..];
        while let Ok(written @ 1..) = writer.write(rest).await {
            rest = &rest[written..];
        }
    });
    conn.next.window = 0;
    conn.acknowledges = false;
    conn.run(&mut lan, 200);
    let mut probes = 0;
    for _ in 0..240_000 {
        for segment in lan.step() {
            assert!(!segment.is_reset());
            probes += 1;
            lan.send(&conn.next);
        }
    }
    assert!((3..300).contains(&probes), "{probes}");
    conn.next.window = 8192;
    conn.acknowledges = true;
    lan.send(&conn.next);
    conn.run(&mut lan, 70_000);
    assert_eq!(conn.received.len(), 20_000);
    // Answers without end are not.
    let writer = stream.clone();
    lan.network.group().add(async move {
        let _ = writer.write(&[7; 1000]).await;
    });
    conn.next.window = 0;
    conn.acknowledges = false;
    lan.send(&conn.next);
    let mut is_reset = false;
    for _ in 0..400_000 {
        for segment in lan.step() {
            is_reset |= segment.is_reset();
            lan.send(&conn.next);
        }
    }
    assert!(is_reset);
    assert_eq!(stream.statistics().state, TcpState::Closed);
}

#[test]
fn data_is_delivered_after_close_as_long_as_it_is_acknowledged() {
    let mut lan = Lan::new();
    let service = Service { port: PORT, receive_bytes: 4096, transmit_bytes: 16_384, backlog: 8, max_connections: 8 };
    service.start(lan.network.group(), &lan.stack, async |stream: &Rc<TcpStream>| {
        let mut rest = &[7; 16_000][..];
        while let Ok(written @ 1..) = stream.write(rest).await {
            rest = &rest[written..];
        }
    });
    let mut conn = Conn::open_with(&mut lan, Segment { window: 500, ..Segment::syn(HOST, 40_000, PORT, 1000) });
    conn.acknowledges = false;
    // 500 bytes in two seconds.
    for _ in 0..40 {
        let segments = conn.run(&mut lan, 2000);
        assert!(!conn.is_reset);
        for segment in segments.iter().filter(|segment| !segment.data.is_empty()) {
            if Some(segment.sequence) == conn.next.acknowledgement {
                conn.acknowledges = true;
                conn.take(&mut lan, segment);
                conn.acknowledges = false;
            }
        }
    }
    assert_eq!((conn.received.len(), conn.has_fin), (16_000, true));
}

#[test]
fn a_silent_peer_is_probed_and_given_up() {
    let (mut lan, mut conn, stream) = opened();
    let error = Rc::new(Cell::new(None));
    let (result, reader) = (error.clone(), stream.clone());
    lan.network.group().add(async move { result.set(Some(reader.read(&mut [0; 10]).await)) });
    let expected = conn.next.clone();
    // Answered probes keep the connection.
    let mut probes = 0;
    for _ in 0..260_000 {
        for probe in conn.run(&mut lan, 1) {
            assert_eq!(probe.sequence.wrapping_add(1), expected.acknowledgement.expect("it is open"));
            assert_eq!(probe.acknowledgement, Some(expected.sequence));
            lan.send(&expected);
            probes += 1;
        }
    }
    assert!((3..=5).contains(&probes) && error.get().is_none(), "{probes}");
    let probes = conn.run(&mut lan, 300_000).len();
    assert!((5..=8).contains(&probes), "{probes}");
    assert_eq!(error.get(), Some(Err(TcpError::TimedOut)));
    assert_eq!(stream.statistics().state, TcpState::Closed);
}
