//! Connections that are closed on this side, and whose peers are silent.

use smoltcp::wire::TcpControl;
use switchboard_runtime::memory_budget::MemoryBudget;

use std::rc::Rc;
use switchboard_net::{Service, TcpStream};

use crate::peer::{Conn, HOST, Lan, Segment};
use crate::{PORT, echo, serve_echo, spoofed};

/// Returns the segments with a FIN.
fn fins(segments: &[Segment]) -> Vec<&Segment> {
    segments.iter().filter(|segment| segment.control == TcpControl::Fin).collect()
}

#[test]
fn a_fin_that_is_not_acknowledged_takes_few_bytes_and_a_minute() {
    static BUDGET: MemoryBudget = MemoryBudget::new(1 << 30);
    let mut lan = Lan::new();
    lan.stack.set_memory_budget(&BUDGET);
    serve_echo(&lan, 2000);
    let mut conn = Conn::open(&mut lan, HOST, 20_000, PORT);
    echo(&mut lan, &mut conn, b"hello");
    assert!(BUDGET.usage().used_bytes > 20_000);
    conn.send_control(&mut lan, TcpControl::Fin, 0);
    let first = lan.run(100);
    let sequence = fins(&first).first().expect("a FIN").sequence;
    // LAST-ACK: the buffers are freed, the FIN is repeated.
    let repeated = lan.run(10_000);
    assert!(BUDGET.usage().used_bytes < 8000, "{:?}", BUDGET.usage());
    assert!((2..6).contains(&fins(&repeated).len()), "{repeated:?}");
    assert!(
        fins(&repeated)
            .iter()
            .all(|fin| fin.sequence == sequence && fin.acknowledgement == fins(&first)[0].acknowledgement)
    );
    lan.run(60_000);
    assert_eq!(BUDGET.usage().used_bytes, 0);
}

#[test]
fn a_fin_that_is_acknowledged_late_ends_the_connection() {
    static BUDGET: MemoryBudget = MemoryBudget::new(1 << 30);
    for closes_first in [true, false] {
        let mut lan = Lan::new();
        lan.stack.set_memory_budget(&BUDGET);
        serve_echo(&lan, 1);
        let mut conn = Conn::open(&mut lan, HOST, 20_000, PORT);
        echo(&mut lan, &mut conn, b"hello");
        if closes_first {
            conn.send_control(&mut lan, TcpControl::Fin, 0);
        } else {
            // The idle connection makes room.
            let mut other = Conn::open(&mut lan, spoofed(1), 20_001, PORT);
            echo(&mut lan, &mut other, b"x");
            other.send_control(&mut lan, TcpControl::Rst, 0);
        }
        let segments = lan.run(5000);
        let fin = (*fins(&segments).first().expect("a FIN")).clone();
        let answer = Segment {
            control: if closes_first { TcpControl::None } else { TcpControl::Fin },
            sequence: fin.acknowledgement.expect("an acknowledgement"),
            acknowledgement: Some(fin.sequence.wrapping_add(1)),
            ..Segment::syn(HOST, 20_000, PORT, 0)
        };
        lan.send(&answer);
        let after = lan.run(5000);
        assert!(fins(&after).is_empty() && after.iter().all(|segment| !segment.is_reset()), "{after:?}");
        assert_eq!(BUDGET.usage().used_bytes, 0, "peer first: {closes_first}");
    }
}

#[test]
fn closed_connections_of_silent_peers_keep_no_other_out() {
    static BUDGET: MemoryBudget = MemoryBudget::new(200_000);
    let mut lan = Lan::new();
    lan.stack.set_memory_budget(&BUDGET);
    serve_echo(&lan, 2000);
    for index in 0..600 {
        let mut conn = Conn::open(&mut lan, spoofed(index), 20_000 + index, PORT);
        echo(&mut lan, &mut conn, b"served");
        conn.send_control(&mut lan, TcpControl::Fin, 0);
    }
    assert!(BUDGET.usage().used_bytes <= 200_000);
}

#[test]
fn an_idle_connection_of_a_silent_peer_is_closed_with_few_bytes() {
    static BUDGET: MemoryBudget = MemoryBudget::new(1 << 30);
    let mut lan = Lan::new();
    lan.stack.set_memory_budget(&BUDGET);
    let service = Service { port: PORT, receive_bytes: 4096, transmit_bytes: 16_384, backlog: 8, max_connections: 8 };
    service.start(lan.network.group(), &lan.stack, async |stream: &Rc<TcpStream>| {
        embassy_time::Timer::after_secs(5).await;
        stream.close();
    });
    let _silent = Conn::open(&mut lan, HOST, 20_000, PORT);
    let segments = lan.run(16_000);
    assert!((2..6).contains(&fins(&segments).len()), "{segments:?}");
    assert!((1..8000).contains(&BUDGET.usage().used_bytes), "{:?}", BUDGET.usage());
    lan.run(60_000);
    assert_eq!(BUDGET.usage().used_bytes, 0);
}
