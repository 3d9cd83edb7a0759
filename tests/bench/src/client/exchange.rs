//! Requests on kept-alive connections, whose responses have bodies of any length, by length or chunked.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, poll};

use super::response::Response;
use super::{Meter, Sample, Span, TIMEOUT, connect, wrong};

const BUFFER: usize = 256 * 1024;

/// A request, and the body that it is answered with.
#[derive(Debug)]
pub struct Exchange {
    request: Vec<u8>,
    expected: Vec<u8>,
}

impl Exchange {
    /// Returns the request of the file of `tools/disk`: the numbers from 0 on, each as 15 digits and a newline.
    #[must_use]
    pub fn file() -> Self {
        let request = b"GET /files/1mib.bin HTTP/1.1\r\nHost: x\r\n\r\n".to_vec();
        Self { request, expected: (0..65_536).flat_map(|number| format!("{number:015}\n").into_bytes()).collect() }
    }

    /// Returns the request of the greeting.
    #[must_use]
    pub fn hello() -> Self {
        let request = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n".to_vec();
        Self { request, expected: b"Hello, world!".to_vec() }
    }

    /// Returns the request that has a body of this many bytes sent back.
    #[must_use]
    pub fn echo(bytes: usize) -> Self {
        let body: Vec<u8> = (0..=u8::MAX).filter(|byte| byte % 11 != 3).cycle().take(bytes).collect();
        let mut request = format!("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {bytes}\r\n\r\n").into_bytes();
        request.extend(&body);
        Self { request, expected: body }
    }

    /// Returns the number of bytes of the body.
    #[must_use]
    pub const fn body_bytes(&self) -> usize {
        self.expected.len()
    }

    /// Keeps one request in flight on each of `connections` connections; the rate is that of requests.
    ///
    /// # Errors
    /// Returns an error when a response is wrong or missing.
    pub fn run(&self, port: u16, connections: usize, span: impl Into<Span>) -> io::Result<Sample> {
        let mut buffer = vec![0; BUFFER];
        let open = |_| self.open(port, &mut buffer);
        let mut connections = (0..connections).map(open).collect::<io::Result<Vec<_>>>()?;
        let mut meter = Meter::new(span);
        for connection in &mut connections {
            connection.send(&self.request)?;
        }
        let timeout_ms = u16::try_from(TIMEOUT.as_millis()).unwrap_or(u16::MAX);
        let mut ready = vec![false; connections.len()];
        loop {
            let polled = connections.iter().map(|it| PollFd::new(it.stream.as_fd(), PollFlags::POLLIN));
            let mut polled: Vec<_> = polled.collect();
            if poll(&mut polled, timeout_ms)? == 0 {
                return Err(wrong(format!("no response within {timeout_ms} ms")));
            }
            for (ready, polled) in ready.iter_mut().zip(&polled) {
                *ready = polled.any().unwrap_or(true);
            }
            drop(polled);
            for connection in connections.iter_mut().zip(&ready).filter_map(|(it, ready)| ready.then_some(it)) {
                if connection.receive(&mut buffer, &self.expected)? {
                    let now = Instant::now();
                    if meter.done(connection.begin, now) {
                        return Ok(meter.sample(now));
                    }
                    connection.send(&self.request)?;
                }
            }
        }
    }

    /// Opens a connection, and exchanges once.
    fn open(&self, port: u16, buffer: &mut [u8]) -> io::Result<Connection> {
        let mut connection =
            Connection { stream: connect(port)?, begin: Instant::now(), response: Response::default() };
        self.exchange(&mut connection, buffer)?;
        Ok(connection)
    }

    fn exchange(&self, connection: &mut Connection, buffer: &mut [u8]) -> io::Result<()> {
        connection.send(&self.request)?;
        while !connection.receive(buffer, &self.expected)? {}
        Ok(())
    }

    /// Opens `count` connections with an exchange on each, calls `meanwhile` while all are idle, and then exchanges on each
    /// again.
    ///
    /// # Errors
    /// Returns an error when a connection is refused or lost, or `meanwhile` fails.
    pub fn keep_idle<R>(&self, port: u16, count: usize, meanwhile: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        let mut buffer = vec![0; BUFFER];
        let mut connections = Vec::new();
        for number in 0..count {
            let connection = self.open(port, &mut buffer);
            connections.push(connection.map_err(|error| wrong(format!("connection {number}: {error}")))?);
        }
        let result = meanwhile()?;
        for (number, connection) in connections.iter_mut().enumerate() {
            let answered = self.exchange(connection, &mut buffer);
            answered.map_err(|error| wrong(format!("idle connection {number}: {error}")))?;
        }
        Ok(result)
    }
}

struct Connection {
    stream: TcpStream,
    begin: Instant,
    response: Response,
}

impl Connection {
    fn send(&mut self, request: &[u8]) -> io::Result<()> {
        self.begin = Instant::now();
        self.response = Response::default();
        self.stream.write_all(request)
    }

    /// Reads what is available; returns whether the response is complete.
    fn receive(&mut self, buffer: &mut [u8], expected: &[u8]) -> io::Result<bool> {
        match self.stream.read(buffer)? {
            0 => Err(wrong("the guest closed a connection")),
            length => self.response.add(&buffer[..length], expected),
        }
    }
}

/// Returns the body of a GET, on a connection of its own.
///
/// # Errors
/// Returns an error when the connection fails.
pub fn get(port: u16, path: &str) -> io::Result<String> {
    let mut stream = connect(port)?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes())?;
    let (mut text, mut buffer) = (Vec::new(), vec![0; BUFFER]);
    loop {
        let length = stream.read(&mut buffer)?;
        text.extend(&buffer[..length]);
        let answer = String::from_utf8_lossy(&text);
        let Some((head, body)) = answer.split_once("\r\n\r\n") else { continue };
        let field =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if length == 0 || field.is_some_and(|bytes: usize| body.len() >= bytes) {
            return Ok(body.to_owned());
        }
    }
}
