//! Tests of connections whose client sends a text, in pieces of any size, and closes its side.

use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::net::SocketAddr;
use core::pin::Pin;

use embassy_futures::block_on;

use switchboard_net::Disconnected;

use crate::connection::{Connection, Deadlines, Transport, serve};
use crate::{Answer, BodySource, BodyWriter, HttpCounters, Method, Methods, Request, Response, Site, StatusCode, TEXT};

mod bodies;
mod deadlines;
mod relay;
mod table;

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

impl MemoryTransport {
    fn new(input: &str, piece: usize, room: usize) -> Rc<Self> {
        let (input, output) = (RefCell::new(input.into()), RefCell::default());
        Rc::new(Self { input, piece, room, output, is_aborted: Cell::new(false) })
    }
}

impl Transport for Rc<MemoryTransport> {
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

    fn queued_bytes(&self) -> usize {
        0
    }

    fn peer(&self) -> Option<SocketAddr> {
        None
    }

    fn close(&self) {}

    fn abort(&self) {
        self.is_aborted.set(true);
    }
}

struct Small;

impl Site for Small {
    fn methods(&self, path: &str) -> Methods {
        match path {
            "/echo" | "/first" | "/ignore" | "/copy" => Methods::READ.with(Method::Post).with(Method::Put),
            _ => Methods::READ,
        }
    }

    fn answer(&'static self, request: &Request<'_>) -> Answer {
        let mut body = request.body();
        match request.path {
            "/" | "/hello" => Answer::Now(Response::fixed(StatusCode::OK, TEXT, b"root")),
            "/later" => {
                let name = String::from(request.header("x-name").unwrap_or("anonymous"));
                Answer::later(async { Response::new(StatusCode::OK, TEXT, name) })
            }
            "/query" => {
                let pairs = request.query_pairs().map(|(name, value)| format!("{name}={value};"));
                Answer::Now(Response::new(StatusCode::OK, TEXT, pairs.collect::<String>()))
            }
            "/host" => Answer::Now(Response::new(StatusCode::OK, TEXT, request.host().unwrap_or("none"))),
            "/stream" => Answer::Now(Response::stream(StatusCode::OK, TEXT, 6, Parts(3, true))),
            "/short" => Answer::Now(Response::stream(StatusCode::OK, TEXT, 7, Parts(3, true))),
            "/long" => Answer::Now(Response::stream(StatusCode::OK, TEXT, 5, Parts(3, true))),
            "/broken" => Answer::Now(Response::stream(StatusCode::OK, TEXT, 6, Parts(2, false))),
            "/chunked" => Answer::Now(Response::chunked(StatusCode::OK, TEXT, Parts(3, true))),
            "/written" => Answer::Now(Response::written(StatusCode::OK, TEXT, async |mut body: BodyWriter| {
                body.write(b"").await?;
                body.write(&[b'x'; 20]).await?;
                body.add_trailer("X-End", "a\r\nb");
                Ok(body)
            })),
            "/none" => Answer::Now(Response::empty(StatusCode::NO_CONTENT).with_header("X-Split", "a\r\nB: c")),
            "/unmodified" => Answer::Now(Response::text(StatusCode::NOT_MODIFIED, "not sent")),
            "/299" => Answer::Now(Response::text(StatusCode::new(299).expect("three digits"), "odd")),
            "/echo" => Answer::later(async move {
                match body.collect(100).await {
                    Ok(bytes) => {
                        let trailers = body.trailers();
                        let response = Response::new(StatusCode::OK, TEXT, bytes);
                        trailers.into_iter().fold(response, |response, (name, value)| response.with_header(name, value))
                    }
                    Err(error) => error.into(),
                }
            }),
            "/first" => Answer::later(async move {
                let mut buffer = [0; 3];
                let length = body.read(&mut buffer).await.unwrap_or(0);
                Response::new(StatusCode::OK, TEXT, &buffer[..length.min(1)])
            }),
            "/copy" => Answer::Now(Response::written(StatusCode::OK, TEXT, async move |mut writer: BodyWriter| {
                let mut buffer = [0; 1000];
                while let Ok(length @ 1..) = body.read(&mut buffer).await {
                    writer.write(&buffer[..length]).await?;
                }
                Ok(writer)
            })),
            "/ignore" => Answer::Now(Response::text(StatusCode::OK, "ignored")),
            _ => Answer::Now(Response::text(StatusCode::NOT_FOUND, "no\n")),
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

/// Sends these bytes, then closes the client's side. Returns the output, whether the connection was reset, and counters.
fn exchange(input: &str, piece: usize, room: usize) -> (String, bool, HttpCounters) {
    let transport = MemoryTransport::new(input, piece, room);
    let counters = HttpCounters::default();
    let connection = Connection::new(transport.clone(), &Rc::new(Deadlines::new(1, 15, "")));
    block_on(serve(&connection, &Small, &counters));
    let output = transport.output.take();
    (String::from_utf8(output).expect("text"), transport.is_aborted.get(), counters)
}

/// Returns the responses to these bytes, which are the same for pieces of any size.
fn responses(input: &str) -> String {
    let outcomes = [(usize::MAX, 4096), (1, 4096), (7, 5), (4096, 1)];
    let mut outcomes = outcomes.map(|(piece, room)| exchange(input, piece, room).0).into_iter();
    let first = outcomes.next().expect("one");
    for other in outcomes {
        assert!(other == first, "{:.200}: {other:.200}, not {first:.200}", input.escape_debug());
    }
    first
}

/// Returns the status of each response.
fn statuses(input: &str) -> Vec<u16> {
    let responses = responses(input);
    responses.split("HTTP/1.1 ").skip(1).map(|answer| answer[..3].parse().expect("a status")).collect()
}

/// Returns the response to a GET request for a path.
fn get(path: &str) -> String {
    responses(&format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
}
