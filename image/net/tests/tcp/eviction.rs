//! Which connections make room for others.

use core::net::Ipv4Addr;
use std::rc::Rc;

use smoltcp::wire::TcpControl;
use switchboard_net::{Service, TcpStream};

use crate::peer::{Conn, HOST, Lan, Segment};
use crate::{PORT, echo, serve_echo, spoofed};

#[test]
fn an_idle_connection_makes_room_for_a_new_one() {
    let mut lan = Lan::new();
    serve_echo(&lan, 4);
    let mut conns: Vec<Conn> = (0..4).map(|index| Conn::open(&mut lan, HOST, 20_000 + index, PORT)).collect();
    for conn in &mut conns {
        echo(&mut lan, conn, b"first");
    }
    let mut other = Conn::open(&mut lan, spoofed(1), 30_000, PORT);
    conns[0].received.clear();
    other.send(&mut lan, b"new");
    let mut fins = Vec::new();
    for _ in 0..3000 {
        for segment in lan.step() {
            assert!(!segment.is_reset());
            if segment.control == TcpControl::Fin {
                fins.push(segment.host_port);
                let conn = &mut conns[0];
                conn.next.acknowledgement = conn.next.acknowledgement.map(|number| number.wrapping_add(1));
                conn.send_control(&mut lan, TcpControl::Fin, 0);
            }
            if segment.host == other.next.host {
                other.take(&mut lan, &segment);
            }
        }
    }
    assert_eq!((fins, other.received), (vec![20_000], b"new".to_vec()));
}

/// Serves echo to all peers but one, whose connections stay busy.
fn serve_but(lan: &Lan, busy: Ipv4Addr, max_connections: usize, backlog: usize) {
    let service = Service { port: PORT, receive_bytes: 500, transmit_bytes: 500, backlog, max_connections };
    service.start(lan.network.group(), &lan.stack, async move |stream: &Rc<TcpStream>| {
        let mut buffer = [0; 100];
        while let Ok(length @ 1..) = stream.read(&mut buffer).await {
            if stream.remote_endpoint().is_some_and(|remote| remote.ip() == busy) {
                core::future::pending::<()>().await;
            }
            let _ = stream.write(&buffer[..length]).await;
        }
    });
}

#[test]
fn a_peer_with_its_share_delays_no_other_in_the_backlog() {
    let mut lan = Lan::new();
    serve_but(&lan, HOST, 8, 16);
    for index in 0..40 {
        // Those that are not accepted fill the backlog.
        lan.send(&Segment::syn(HOST, 20_000 + index, PORT, 1000));
        let answers = lan.run(5);
        let Some(answer) = answers.iter().find(|segment| segment.control == TcpControl::Syn) else { continue };
        let acknowledgement = Some(answer.sequence.wrapping_add(1));
        let ack =
            Segment { control: TcpControl::None, acknowledgement, ..Segment::syn(HOST, 20_000 + index, PORT, 1001) };
        lan.send(&Segment { mss: None, data: b"busy".to_vec(), ..ack });
    }
    lan.run(100);
    for index in 1..20 {
        let mut other = Conn::open(&mut lan, spoofed(index), 30_000 + index, PORT);
        echo(&mut lan, &mut other, b"served");
        other.send_control(&mut lan, TcpControl::Rst, 0);
    }
}

#[test]
fn a_response_that_is_on_its_way_is_delivered_when_others_wait() {
    let mut lan = Lan::new();
    let service = Service { port: PORT, receive_bytes: 500, transmit_bytes: 500, backlog: 16, max_connections: 1 };
    service.start(lan.network.group(), &lan.stack, async |stream: &Rc<TcpStream>| {
        let mut buffer = [0; 100];
        if let Ok(length) = stream.read(&mut buffer).await {
            let _ = stream
                .write_last_with(|room| {
                    room[..length].copy_from_slice(&buffer[..length]);
                    (length, ())
                })
                .await;
        }
    });
    let mut first = Conn::open(&mut lan, HOST, 20_000, PORT);
    first.acknowledges = false;
    first.send(&mut lan, b"first");
    first.run(&mut lan, 20);
    let mut others: Vec<Conn> = (1..10).map(|index| Conn::open(&mut lan, spoofed(index), 30_000, PORT)).collect();
    others.iter_mut().for_each(|other| other.send(&mut lan, b"other"));
    first.run(&mut lan, 500);
    first.acknowledges = true;
    // The response is sent again.
    for _ in 0..3000 {
        for segment in lan.step() {
            assert!(!segment.is_reset(), "{segment:?}");
            match others.iter_mut().find(|other| other.next.host == segment.host) {
                Some(other) => other.take(&mut lan, &segment),
                None => first.take(&mut lan, &segment),
            }
        }
    }
    assert_eq!((first.received.as_slice(), first.has_fin), (&b"first"[..], true));
    assert!(others.iter().all(|other| other.received == b"other"));
}

#[test]
fn a_response_that_its_peer_does_not_take_makes_room_after_seconds() {
    // Of several hosts, and of one that comes again.
    for newcomer in [9, 1] {
        let mut lan = Lan::new();
        let service = Service { port: PORT, receive_bytes: 500, transmit_bytes: 4000, backlog: 16, max_connections: 4 };
        service.start(
            lan.network.group(),
            &lan.stack,
            async |stream: &Rc<TcpStream>| {
                while stream.write(&[7; 1000]).await.is_ok() {}
            },
        );
        let host = |index: u16| spoofed(if newcomer == 1 { 1 } else { index });
        let mut stopped: Vec<Conn> =
            (1..=4).map(|index| Conn::open(&mut lan, host(index), 20_000 + index, PORT)).collect();
        for conn in &mut stopped {
            conn.acknowledges = false;
        }
        lan.run(100);
        let mut other = Conn::open(&mut lan, spoofed(newcomer), 30_000, PORT);
        let start = lan.run(5000);
        assert!(!start.iter().any(Segment::is_reset), "a pause of seconds ends no response");
        for _ in 0..10_000 {
            for segment in lan.step().into_iter().filter(|segment| segment.host_port == 30_000) {
                other.take(&mut lan, &segment);
            }
        }
        assert!(other.received.len() > 4000, "{} bytes", other.received.len());
    }
}
