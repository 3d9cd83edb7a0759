//! Tests of connections whose client sends a text, in pieces of any size, and closes its side.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::pin::Pin;

use embassy_futures::block_on;

use switchboard_net::Disconnected;

use crate::connection::serve;
use crate::transport::{TimeoutSeconds, Transport};
use crate::{Answer, BodySource, HttpCounters, Request, Response, Site, StatusCode, TEXT};

/// A connection to a client of memory.
struct MemoryTransport {
    input: RefCell<Vec<u8>>,
    /// Bytes that are received at a time.
    piece: usize,
    /// Bytes that there is room for at a time.
    room: usize,
    output: RefCell<Vec<u8>>,
    is_aborted: Cell<bool>,
}

impl Transport for MemoryTransport {
    async fn read_with<R>(&self, read: impl FnOnce(&mut [u8]) -> (usize, R)) -> Result<R, Disconnected> {
        let mut input = self.input.borrow_mut();
        if input.is_empty() {
            return Err(Disconnected);
        }
        let length = input.len().min(self.piece);
        let (taken, result) = read(&mut input[..length]);
        input.drain(..taken);
        Ok(result)
    }

    async fn write_with<R>(&self, write: impl FnOnce(&mut [u8]) -> (usize, R)) -> Result<R, Disconnected> {
        let mut room = vec![0; self.room];
        let (written, result) = write(&mut room);
        self.output.borrow_mut().extend_from_slice(&room[..written]);
        Ok(result)
    }

    fn set_timeout(&self, _: TimeoutSeconds) {}

    fn abort(&self) {
        self.is_aborted.set(true);
    }
}

struct Small;

impl Site for Small {
    fn answer(&'static self, request: &Request<'_>) -> Answer {
        match request.path {
            "/" => Answer::Now(Response::fixed(StatusCode::Ok, TEXT, b"root")),
            "/later" => {
                let name = String::from(request.header("x-name").unwrap_or("anonymous"));
                Answer::later(async { Response::new(StatusCode::Ok, TEXT, name) })
            }
            "/stream" => Answer::Now(Response::stream(StatusCode::Ok, TEXT, 6, Parts(3, true))),
            "/broken" => Answer::Now(Response::stream(StatusCode::Ok, TEXT, 6, Parts(2, false))),
            _ => Answer::Now(Response::text(StatusCode::NotFound, "no\n")),
        }
    }
}

struct Parts(u8, bool);

impl BodySource for Parts {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Option<&[u8]>> + '_>> {
        let Self(left, is_whole) = self;
        let part: Option<&[u8]> = match left {
            0 if *is_whole => Some(b""),
            0 => None,
            _ => Some(b"ab"),
        };
        *left = left.saturating_sub(1);
        Box::pin(async move { part })
    }
}

fn exchange(input: &str, piece: usize, room: usize) -> (String, bool, HttpCounters) {
    let transport = MemoryTransport {
        input: RefCell::new(input.into()),
        piece,
        room,
        output: RefCell::default(),
        is_aborted: Cell::new(false),
    };
    let counters = HttpCounters::default();
    block_on(serve(&transport, &Small, &counters));
    let output = transport.output.take();
    (String::from_utf8(output).expect("text"), transport.is_aborted.get(), counters)
}

/// Returns the status of each response to these bytes, which is the same for pieces of any size.
fn statuses(input: &str) -> Vec<String> {
    let outcomes = [(usize::MAX, 4096), (1, 4096), (7, 5), (4096, 1)];
    let mut outcomes = outcomes.map(|(piece, room)| exchange(input, piece, room).0).into_iter();
    let first = outcomes.next().expect("one");
    assert!(outcomes.all(|other| other == first), "{first}");
    first.split("HTTP/1.1 ").skip(1).map(|answer| answer[..3].into()).collect()
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let requests = "GET / HTTP/1.1\r\nHost: x\r\n\r\n\
                    GET /no HTTP/1.1\r\nContent-Length: 2\r\n\r\nab\
                    GET / HTTP/1.0\r\n\r\n";
    assert_eq!(statuses(requests), ["200", "404", "200"]);
}

#[test]
fn a_response_has_its_headers_and_its_body() {
    let (text, ..) = exchange("GET /?query HTTP/1.1\r\n\r\n", usize::MAX, 4096);
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 4\r\n";
    assert_eq!(text, format!("{head}\r\nroot"));
    let (text, ..) = exchange("HEAD / HTTP/1.1\r\n\r\n", usize::MAX, 4096);
    assert_eq!(text, format!("{head}\r\n"));
    let (text, ..) = exchange("GET / HTTP/1.1\r\nConnection: x, Close\r\n\r\nGET /", usize::MAX, 4096);
    assert_eq!(text, format!("{head}Connection: close\r\n\r\nroot"));
    let (text, ..) = exchange("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", usize::MAX, 4096);
    assert_eq!(text, format!("{head}Connection: keep-alive\r\n\r\nroot"));
    let (text, ..) = exchange("GET /later HTTP/1.1\r\nX-Name: Ada\r\n\r\n", usize::MAX, 4096);
    assert!(text.ends_with("\r\n\r\nAda"), "{text}");
    let (text, ..) = exchange("DELETE / HTTP/1.1\r\n\r\n", usize::MAX, 4096);
    assert!(text.starts_with("HTTP/1.1 405") && text.contains("Allow: GET, HEAD\r\n"), "{text}");
}

#[test]
fn an_error_within_a_streamed_body_resets_the_connection() {
    for room in [1, 3, 4096] {
        let (text, is_aborted, _) = exchange("GET /stream HTTP/1.1\r\n\r\n", usize::MAX, room);
        assert!(text.ends_with("\r\n\r\nababab") && !is_aborted, "{text}");
        let (text, is_aborted, _) = exchange("GET /broken HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n", usize::MAX, room);
        assert!(text.ends_with("\r\n\r\nabab") && is_aborted, "{text}");
    }
}

#[test]
fn ambiguous_framing_is_refused() {
    for head in [
        "GET / HTTP/2.0",
        "GET / SMTP/9.9",
        "GET http://x/ HTTP/1.1",
        "GET / HTTP/1.1\r\nContent-Length: many",
        "GET / HTTP/1.1\r\nContent-Length: +3",
        "GET / HTTP/1.1\r\nContent-Length:",
        "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2",
        "GET / HTTP/1.1\r\nTransfer-Encoding: chunked",
        "GET / HTTP/1.1\r\nBad name: x",
        "GET / HTTP/1.1\r\n: x",
    ] {
        assert_eq!(statuses(&format!("{head}\r\n\r\n")), ["400"], "{head}");
    }
}

#[test]
fn malformed_requests_are_refused() {
    for text in
        ["\x01\r\n\r\n", "junk\r\n\r\n", "GET /\r\n\r\n", "GET / HTTP/1.1\r\nHost x\r\n\r\n", "GET / HTTP/1.1\r\nHo"]
    {
        assert_eq!(statuses(text), ["400"], "{text:?}");
    }
    let (_, _, counters) = exchange("junk\r\n\r\n", usize::MAX, 4096);
    assert_eq!((counters.malformed(), counters.requests()), (1, 0));
    let (text, ..) = exchange("", usize::MAX, 4096);
    assert_eq!(text, "");
}

#[test]
fn long_heads_are_refused() {
    let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(5000));
    assert_eq!(statuses(&long), ["431"]);
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(40));
    assert_eq!(statuses(&many), ["431"]);
    let fits = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(4000));
    assert_eq!(statuses(&fits), ["200"]);
}
