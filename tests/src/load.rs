//! A load generator: many kept-alive connections, every answer checked, a stall reported where it happened.

use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::thread;
use std::time::Instant;

use crate::{Client, HttpError};

/// What to ask for, how often, and what must come back.
#[derive(Debug, Clone)]
pub struct Load {
    /// The host port.
    pub port: u16,
    /// Connections at once.
    pub connections: usize,
    /// Requests over all connections together.
    pub requests: usize,
    /// The path of each request.
    pub path: &'static str,
    /// The body of each answer.
    pub body: Vec<u8>,
    /// An answer that takes longer is a stall.
    pub stall: Duration,
}

/// What was measured.
#[derive(Debug, Clone, Copy)]
pub struct LoadReport {
    /// Requests answered.
    pub requests: usize,
    /// From the first request to the last answer; making the connections is not counted.
    pub elapsed: Duration,
    /// The slowest answer.
    pub slowest: Duration,
}

/// The first thing that went wrong on a connection.
#[derive(Debug, thiserror::Error)]
#[error("connection {connection}, its request {request}, {after:.1?} after the start: {cause}")]
pub struct LoadError {
    /// Which connection, from 0.
    pub connection: usize,
    /// Which of its requests, from 0.
    pub request: usize,
    /// When.
    pub after: Duration,
    /// What happened.
    pub cause: String,
}

impl Load {
    /// Sends every request and checks every answer. Connections take requests from one pool, so that a slow one does
    /// not hold up the end.
    ///
    /// # Errors
    /// The failure of each connection that failed.
    pub fn run(&self) -> Result<LoadReport, Vec<LoadError>> {
        let start = Instant::now();
        let failure = |connection, request, cause| LoadError { connection, request, after: start.elapsed(), cause };
        // One after another, each with an answer: QEMU lets one connection wait on a forwarded port, and the host's
        // kernel resets those that come on top.
        let mut clients = Vec::new();
        for connection in 0..self.connections {
            let client = Client::connect(self.port, self.stall).and_then(|mut client| {
                client.get(self.path)?;
                Ok(client)
            });
            clients.push(client.map_err(|error| vec![failure(connection, 0, self.explain(&error))])?);
        }

        let start = Instant::now();
        let taken = AtomicUsize::new(0);
        let results: Vec<_> = thread::scope(|scope| {
            let work = |(connection, client)| {
                let taken = &taken;
                scope.spawn(move || {
                    self.work(client, taken).map_err(|(request, cause)| failure(connection, request, cause))
                })
            };
            let workers: Vec<_> = clients.into_iter().enumerate().map(work).collect();
            workers.into_iter().map(|worker| worker.join().expect("a worker does not panic")).collect()
        });
        let mut report = LoadReport { requests: 0, elapsed: start.elapsed(), slowest: Duration::ZERO };
        let mut failures = Vec::new();
        for result in results {
            match result {
                Ok((requests, slowest)) => {
                    report.requests += requests;
                    report.slowest = report.slowest.max(slowest);
                }
                Err(error) => failures.push(error),
            }
        }
        if failures.is_empty() { Ok(report) } else { Err(failures) }
    }

    /// One connection's requests: how many, and the slowest answer; or which one failed, and why.
    fn work(&self, mut client: Client, taken: &AtomicUsize) -> Result<(usize, Duration), (usize, String)> {
        let mut request = 0;
        let mut slowest = Duration::ZERO;
        while taken.fetch_add(1, Ordering::Relaxed) < self.requests {
            let sent = Instant::now();
            let response = client.get(self.path).map_err(|error| (request, self.explain(&error)))?;
            if response.status != 200 || response.body != self.body {
                let cause = format!("status {} with {} bytes of another body", response.status, response.body.len());
                return Err((request, cause));
            }
            slowest = slowest.max(sent.elapsed());
            request += 1;
        }
        Ok((request, slowest))
    }

    fn explain(&self, error: &HttpError) -> String {
        use std::io::ErrorKind::{TimedOut, WouldBlock};
        match error {
            HttpError::Io(io) if [TimedOut, WouldBlock].contains(&io.kind()) => format!("stalled for {:?}", self.stall),
            other => other.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv4Addr;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    /// A server that answers the first `answers` requests of each connection, then says nothing more.
    fn server(answers: usize) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("its number").port();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                thread::spawn(move || {
                    let mut request = [0; 512];
                    let mut answered = 0;
                    while let Ok(1..) = stream.read(&mut request) {
                        if answered < answers {
                            stream
                                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                                .expect("an answer is sent");
                            answered += 1;
                        }
                    }
                });
            }
        });
        port
    }

    fn load(port: u16, body: &[u8]) -> Load {
        let stall = Duration::from_millis(300);
        Load { port, connections: 4, requests: 100, path: "/", body: body.to_vec(), stall }
    }

    #[test]
    fn every_request_is_counted_once() {
        let report = load(server(usize::MAX), b"ok").run().expect("no failure");
        assert_eq!(report.requests, 100);
    }

    #[test]
    fn a_stall_and_a_wrong_body_are_reported() {
        let stalled = load(server(3), b"ok").run().expect_err("a stall");
        // The first of the three answers went to making the connection.
        assert!(stalled.iter().all(|error| error.cause.contains("stalled") && error.request == 2), "{stalled:?}");
        let wrong = load(server(usize::MAX), b"no").run().expect_err("a wrong body");
        assert!(wrong[0].cause.contains("another body"), "{wrong:?}");
    }
}
