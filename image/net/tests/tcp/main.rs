//! TCP against a host that sends what no stack would, and leaves out what each would send.

mod acknowledgements;
mod buffers;
mod congestion;
mod eviction;
mod memory;
mod orphans;
mod paths;
mod peer;
mod waiting;

use core::cell::{Cell, RefCell};
use core::net::Ipv4Addr;
use std::rc::Rc;

use peer::{Conn, HOST, Lan, STACK, Segment, length};
use smoltcp::wire::{IpProtocol, TcpControl};
use switchboard_net::{Service, TcpConfig, TcpError, TcpListener, TcpState, TcpStream};
use switchboard_runtime::memory_budget::MemoryBudget;

const PORT: u16 = 7;

fn serve_echo(lan: &Lan, max_connections: usize) {
    let service = Service { port: PORT, receive_bytes: 4096, transmit_bytes: 16_384, backlog: 256, max_connections };
    service.start(lan.network.group(), &lan.stack, async |stream: &Rc<TcpStream>| {
        let mut buffer = [0; 1000];
        loop {
            stream.idle();
            let Ok(length @ 1..) = stream.read(&mut buffer).await else { return };
            let mut rest = &buffer[..length];
            while !rest.is_empty() {
                let Ok(written) = stream.write(rest).await else { return };
                rest = &rest[written..];
            }
        }
    });
}

/// Returns a connection that the stack has accepted and keeps: the host's end, and the stack's.
fn opened() -> (Lan, Conn, Rc<TcpStream>) {
    let mut lan = Lan::new();
    let listener = TcpListener::bind(&lan.stack, PORT, TcpConfig::default()).expect("a free port");
    let accepted = Rc::new(RefCell::default());
    let result = accepted.clone();
    lan.network.group().add(async move {
        let stream = Rc::new(listener.accept().await);
        result.replace(Some(stream));
        core::future::pending::<()>().await;
        drop(listener);
    });
    let mut conn = Conn::open(&mut lan, HOST, 40_000, PORT);
    conn.run(&mut lan, 10);
    let stream: Option<Rc<TcpStream>> = accepted.borrow().clone();
    (lan, conn, stream.expect("a connection"))
}

/// Has a stream send back what arrives.
fn echo_all(lan: &Lan, stream: &Rc<TcpStream>) {
    let stream = stream.clone();
    lan.network.group().add(async move {
        let mut buffer = [0; 1000];
        while let Ok(length @ 1..) = stream.read(&mut buffer).await {
            let mut rest = &buffer[..length];
            while let Ok(written @ 1..) = stream.write(rest).await {
                rest = &rest[written..];
            }
        }
    });
}

fn echo(lan: &mut Lan, conn: &mut Conn, data: &[u8]) {
    conn.received.clear();
    conn.send(lan, data);
    conn.run(lan, 30);
    assert_eq!(conn.received, data);
}

fn spoofed(index: u16) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, 10 + (index % 200) as u8)
}

#[test]
fn a_flood_of_syns_keeps_no_host_out() {
    let mut lan = Lan::new();
    serve_echo(&lan, 100);
    for index in 0..2000 {
        lan.send(&Segment::syn(spoofed(index), 1000 + index, PORT, u32::from(index)));
        if index % 50 == 0 {
            assert!(lan.step().iter().all(|segment| !segment.is_reset()));
        }
    }
    let mut conn = Conn::open(&mut lan, HOST, 40_000, PORT);
    echo(&mut lan, &mut conn, b"hello");
}

#[test]
fn a_burst_of_connections_is_served_without_a_reset() {
    let mut lan = Lan::new();
    serve_echo(&lan, 400);
    for port in 0..300 {
        lan.send(&Segment::syn(HOST, 20_000 + port, PORT, 1000));
    }
    let mut open = 0;
    for answer in lan.run(2000) {
        assert!(!answer.is_reset());
        if answer.control == TcpControl::Syn {
            let acknowledgement = Some(answer.sequence.wrapping_add(1));
            let syn = Segment::syn(HOST, answer.host_port, PORT, 1001);
            let data = b"x".to_vec();
            lan.send(&Segment { control: TcpControl::None, acknowledgement, mss: None, data, ..syn });
        }
    }
    for answer in lan.run(5000) {
        assert!(!answer.is_reset());
        open += usize::from(answer.data == b"x");
    }
    assert!(open >= 300, "{open}");
}

#[test]
fn only_an_exact_reset_ends_a_connection() {
    let mut lan = Lan::new();
    serve_echo(&lan, 10);
    let mut conn = Conn::open(&mut lan, HOST, 40_000, PORT);
    echo(&mut lan, &mut conn, b"hello");
    // RFC 5961, 3.2 and 4.2, on a live connection and on a parked one.
    for seconds in [0, 5] {
        conn.run(&mut lan, seconds * 1000);
        for (control, distance) in
            [(TcpControl::Rst, 1), (TcpControl::Rst, 2000), (TcpControl::Syn, 0), (TcpControl::Syn, 70_000)]
        {
            let expected = conn.next.clone();
            conn.send_control(&mut lan, control, distance);
            let answers = conn.run(&mut lan, 20);
            assert_eq!(answers.len(), 1, "{control:?} {distance}: {answers:?}");
            assert_eq!(answers[0].acknowledgement, Some(expected.sequence), "a challenge");
            assert_eq!(Some(answers[0].sequence), expected.acknowledgement);
            assert_eq!(answers[0].control, TcpControl::None);
        }
        // Outside of the window: dropped.
        conn.send_control(&mut lan, TcpControl::Rst, 100_000);
        assert_eq!(conn.run(&mut lan, 20), []);
        echo(&mut lan, &mut conn, b"still here");
    }
    conn.send_control(&mut lan, TcpControl::Rst, 0);
    assert_eq!(conn.run(&mut lan, 20), []);
    conn.send(&mut lan, b"x");
    assert!(conn.run(&mut lan, 20).iter().any(Segment::is_reset), "there is no connection");
}

#[test]
fn what_belongs_to_no_connection_is_reset_but_not_a_reset() {
    let mut lan = Lan::new();
    let syn = Segment::syn(HOST, 40_000, 99, 1000);
    lan.send(&syn);
    let answers = lan.run(10);
    assert_eq!((answers.len(), answers[0].is_reset(), answers[0].sequence), (1, true, 0));
    assert_eq!(answers[0].acknowledgement, Some(1001));
    let control = TcpControl::None;
    lan.send(&Segment { control, acknowledgement: Some(77), data: b"data".to_vec(), mss: None, ..syn.clone() });
    let answers = lan.run(10);
    assert_eq!((answers.len(), answers[0].is_reset(), answers[0].sequence), (1, true, 77));
    lan.send(&Segment { control: TcpControl::Rst, mss: None, ..syn.clone() });
    // LAND: a segment from the stack's own address.
    lan.send(&Segment { host: STACK, ..syn });
    assert_eq!(lan.run(10), []);
}

#[test]
fn a_finished_connection_opens_anew_for_a_higher_sequence_number() {
    let mut lan = Lan::new();
    let service = Service { port: PORT, receive_bytes: 4096, transmit_bytes: 4096, backlog: 8, max_connections: 8 };
    service.start(lan.network.group(), &lan.stack, async |stream: &Rc<TcpStream>| {
        let _ = stream.write(b"bye").await;
    });
    let mut conn = Conn::open(&mut lan, HOST, 40_000, PORT);
    conn.run(&mut lan, 50);
    assert!(conn.has_fin && conn.received == b"bye");
    conn.send_control(&mut lan, TcpControl::Fin, 0);
    let last = conn.run(&mut lan, 100);
    assert_eq!(last.last().and_then(|segment| segment.acknowledgement), Some(conn.next.sequence.wrapping_add(1)));
    // The FIN again: acknowledged again.
    conn.send_control(&mut lan, TcpControl::Fin, 0);
    assert_eq!(conn.run(&mut lan, 20).len(), 1);
    // An old SYN: challenged.
    lan.send(&Segment::syn(HOST, 40_000, PORT, 900));
    let answers = lan.run(20);
    assert_eq!((answers.len(), answers[0].control), (1, TcpControl::None));
    lan.send(&Segment::syn(HOST, 40_000, PORT, 90_000));
    let answers = lan.run(20);
    assert_eq!((answers[0].control, answers[0].acknowledgement), (TcpControl::Syn, Some(90_001)));
    let before = conn.next.acknowledgement.expect("it was open");
    assert!(answers[0].sequence.wrapping_sub(before) < 1 << 20, "above the last one");
}

#[test]
fn a_connection_is_opened_to_a_host() {
    let mut lan = Lan::new();
    let stack = lan.stack.clone();
    let result = Rc::new(RefCell::new(None));
    let opened = result.clone();
    lan.network.group().add(async move {
        let stream = TcpStream::connect(&stack, (HOST, 80).into(), TcpConfig::default()).await;
        if let Ok(stream) = &stream {
            let _ = stream.write(b"request").await;
        }
        opened.replace(Some(stream));
    });
    let syn = lan.run(20).into_iter().find(|segment| segment.control == TcpControl::Syn).expect("a SYN");
    assert_eq!((syn.stack_port >= 49_152, syn.host_port, syn.mss), (true, 80, Some(1460)));
    let answer =
        Segment { acknowledgement: Some(syn.sequence.wrapping_add(1)), ..Segment::syn(HOST, 80, syn.stack_port, 5000) };
    lan.send(&answer);
    let segments = lan.run(50);
    let request = segments.iter().find(|segment| !segment.data.is_empty()).expect("a request");
    assert_eq!((&request.data[..], request.sequence), (&b"request"[..], syn.sequence.wrapping_add(1)));
    assert_eq!(request.acknowledgement, Some(5001));
    let stream = result.take().expect("it has ended").expect("it is open");
    assert_eq!(stream.statistics().state, TcpState::Established);
    assert!(stream.statistics().handshake.is_some());
    let refused = Rc::new(Cell::new(None));
    let (stack, found) = (lan.stack.clone(), refused.clone());
    lan.network.group().add(async move {
        found.set(TcpStream::connect(&stack, (HOST, 81).into(), TcpConfig::default()).await.err());
    });
    let syn = lan.run(20).into_iter().find(|segment| segment.control == TcpControl::Syn).expect("a SYN");
    let control = TcpControl::Rst;
    let acknowledgement = Some(syn.sequence.wrapping_add(1));
    lan.send(&Segment { control, acknowledgement, mss: None, ..Segment::syn(HOST, 81, syn.stack_port, 0) });
    lan.run(20);
    assert_eq!(refused.get(), Some(TcpError::Refused));
}
