//! Acknowledgements that arrive together: of a run the last one counts, and nothing of what is between them is lost.

use core::cell::Cell;
use std::rc::Rc;

use smoltcp::wire::TcpControl;
use switchboard_net::{TcpConfig, TcpListener, TcpState, TcpStream};

use crate::peer::{Conn, HOST, Lan, Segment, length};

const PORT: u16 = 4000;
const WINDOW: u16 = 60_000;

/// A download that goes on as fast as the host acknowledges it.
struct Download {
    lan: Lan,
    conn: Conn,
    stream: Rc<TcpStream>,
    /// Segments that were not acknowledged, in order.
    in_flight: Vec<Segment>,
}

impl Download {
    /// Begins one, and acknowledges each segment until a whole window is in flight.
    fn new() -> Self {
        let mut lan = Lan::new();
        let listener = TcpListener::bind(&lan.stack, PORT, TcpConfig::new(4096, 65_000)).expect("a free port");
        let accepted = Rc::new(Cell::new(None));
        let result = accepted.clone();
        lan.network.group().add(async move {
            let stream = Rc::new(listener.accept().await);
            result.set(Some(stream.clone()));
            while let Ok(1..) = stream.write(&[7; 8192]).await {}
            drop(listener);
        });
        let mut conn = Conn::open_with(&mut lan, Segment { window: WINDOW, ..Segment::syn(HOST, 40_000, PORT, 1000) });
        for _ in 0..40 {
            conn.run(&mut lan, 5);
        }
        conn.acknowledges = false;
        let stream = accepted.take().expect("a connection");
        let mut download = Self { lan, conn, stream, in_flight: Vec::new() };
        download.collect();
        assert!(download.is_full());
        download
    }

    /// Returns whether about a window is in flight.
    fn is_full(&self) -> bool {
        self.in_flight.iter().map(|segment| segment.data.len()).sum::<usize>() > 50_000
    }

    /// Takes what is sent in the next milliseconds. Returns the segments that were sent before.
    fn collect(&mut self) -> Vec<Segment> {
        let mut again = Vec::new();
        for segment in self.conn.run(&mut self.lan, 5) {
            let next = self.in_flight.last().map_or(self.conn.next.acknowledgement, |last| Some(end(last)));
            match Some(segment.sequence) == next && !segment.data.is_empty() {
                true => self.in_flight.push(segment),
                false => again.push(segment),
            }
        }
        again
    }

    /// Sends an acknowledgement of each of the next segments.
    fn acknowledge(&mut self, segments: usize) {
        for segment in self.in_flight.drain(..segments) {
            self.conn.next.acknowledgement = Some(end(&segment));
            self.lan.send(&self.conn.next);
        }
    }
}

fn end(segment: &Segment) -> u32 {
    segment.sequence.wrapping_add(length(&segment.data))
}

#[test]
fn a_run_makes_room_for_as_many_segments() {
    let mut download = Download::new();
    for segments in [1, 2, 10, 20, 30] {
        download.acknowledge(segments);
        assert_eq!(download.collect(), []);
        assert!(download.is_full(), "after {segments}");
    }
    assert_eq!(download.stream.statistics().retransmissions, 0);
}

#[test]
fn duplicates_behind_a_run_are_a_loss() {
    let mut download = Download::new();
    download.acknowledge(10);
    for _ in 0..3 {
        download.lan.send(&download.conn.next);
    }
    let again = download.collect();
    assert_eq!(again.first().map(|segment| Some(segment.sequence)), Some(download.conn.next.acknowledgement));
    assert_eq!(download.stream.statistics().retransmissions, 1);
    // Of what was in flight then, a part is acknowledged: the rest has another hole (RFC 6582, 3.2).
    download.acknowledge(10);
    let next = download.collect();
    assert_eq!(next.first().map(|segment| Some(segment.sequence)), Some(download.conn.next.acknowledgement));
    assert_eq!(download.stream.statistics().retransmissions, 2);
}

#[test]
fn two_duplicates_are_none() {
    let mut download = Download::new();
    download.acknowledge(10);
    for _ in 0..2 {
        download.lan.send(&download.conn.next);
    }
    download.acknowledge(5);
    download.lan.send(&download.conn.next);
    assert_eq!(download.collect(), []);
    assert_eq!(download.stream.statistics().retransmissions, 0);
}

#[test]
fn an_old_acknowledgement_behind_a_run_does_not_take_it_back() {
    let mut download = Download::new();
    let old = download.conn.next.clone();
    download.acknowledge(10);
    download.lan.send(&old);
    assert_eq!(download.collect(), []);
    assert_eq!(download.stream.statistics().retransmissions, 0);
}

#[test]
fn data_and_a_reset_behind_a_run_are_received() {
    let mut download = Download::new();
    download.acknowledge(10);
    download.conn.send(&mut download.lan, b"hello");
    download.acknowledge(1);
    let stream = download.stream.clone();
    let received = download.lan.network.wait(async move {
        let mut buffer = [0; 10];
        stream.read(&mut buffer).await.map(|length| buffer[..length].to_vec())
    });
    assert_eq!(received.as_deref(), Ok(&b"hello"[..]));
    download.collect();
    download.acknowledge(10);
    download.conn.send_control(&mut download.lan, TcpControl::Rst, 0);
    download.lan.step();
    assert_eq!(download.stream.statistics().state, TcpState::Closed);
}

#[test]
fn a_window_that_closes_behind_a_run_is_closed() {
    let mut download = Download::new();
    download.acknowledge(10);
    // The end of the window stays where it is.
    for segment in download.in_flight.drain(..) {
        download.conn.next.window = download.conn.next.window.saturating_sub(1460);
        download.conn.next.acknowledgement = Some(end(&segment));
        download.lan.send(&download.conn.next);
    }
    download.conn.next.window = 0;
    download.lan.send(&download.conn.next);
    let window_end = download.conn.next.acknowledgement;
    assert!(download.collect().is_empty() && download.in_flight.is_empty(), "{:?}", download.in_flight);
    download.conn.next.window = WINDOW;
    download.lan.send(&download.conn.next);
    download.collect();
    assert_eq!(download.in_flight.first().map(|segment| Some(segment.sequence)), Some(window_end));
}
