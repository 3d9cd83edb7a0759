//! Requests `GET /hello` on kept-alive connections.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, poll};

use super::{Meter, Sample, Span, TIMEOUT, connect, wrong};

const REQUEST: &[u8] = b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n";
const BODY: &[u8] = b"Hello, world!";

struct Connection {
    stream: TcpStream,
    begin: Instant,
    buffer: [u8; 512],
    length: usize,
}

impl Connection {
    fn send_request(&mut self, now: Instant) -> io::Result<()> {
        (self.begin, self.length) = (now, 0);
        self.stream.write_all(REQUEST)
    }

    /// Reads what is available; returns whether the response is complete.
    fn read(&mut self) -> io::Result<bool> {
        let length = self.stream.read(&mut self.buffer[self.length..])?;
        if length == 0 {
            return Err(wrong("the guest closed a connection"));
        }
        self.length += length;
        let answer = &self.buffer[..self.length];
        let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(false) };
        let body = &answer[end + 4..];
        if body.len() < BODY.len() {
            return Ok(false);
        }
        if body != BODY || !answer.starts_with(b"HTTP/1.1 200 ") {
            return Err(wrong(format!("a wrong response: {:?}", answer.escape_ascii().to_string())));
        }
        Ok(true)
    }
}

/// Keeps one request in flight on each of `connections` connections.
///
/// # Errors
/// Returns an error when a response is wrong or missing.
pub fn run(port: u16, connections: usize, span: impl Into<Span>) -> io::Result<Sample> {
    // Serially: QEMU's backlog of a forwarded port is small.
    let open = |_| {
        let (stream, begin) = (connect(port)?, Instant::now());
        let mut connection = Connection { stream, begin, buffer: [0; 512], length: 0 };
        connection.send_request(begin)?;
        while !connection.read()? {}
        Ok(connection)
    };
    let mut connections = (0..connections).map(open).collect::<io::Result<Vec<_>>>()?;
    let mut meter = Meter::new(span);
    for connection in &mut connections {
        connection.send_request(Instant::now())?;
    }
    let timeout_ms = u16::try_from(TIMEOUT.as_millis()).unwrap_or(u16::MAX);
    let mut ready = vec![false; connections.len()];
    loop {
        // The descriptors borrow the connections, so the list is rebuilt for each poll, at a few instructions per
        // connection.
        let mut polled: Vec<_> =
            connections.iter().map(|connection| PollFd::new(connection.stream.as_fd(), PollFlags::POLLIN)).collect();
        if poll(&mut polled, timeout_ms)? == 0 {
            return Err(wrong(format!("no response within {timeout_ms} ms")));
        }
        for (ready, polled) in ready.iter_mut().zip(&polled) {
            *ready = polled.any().unwrap_or(true);
        }
        drop(polled);
        let now = Instant::now();
        for connection in connections.iter_mut().zip(&ready).filter_map(|(it, ready)| ready.then_some(it)) {
            if connection.read()? {
                if meter.done(connection.begin, now) {
                    return Ok(meter.sample(now));
                }
                connection.send_request(now)?;
            }
        }
    }
}
