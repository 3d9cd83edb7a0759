//! A load generator: many kept-alive connections, every response checked, stalls and errors reported with their place.

use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::thread;
use std::time::Instant;

use crate::{Client, HttpError};

/// The requests to send, and the response that each must have.
#[derive(Debug, Clone)]
pub struct Load {
    /// Host port.
    pub port: u16,
    /// Number of concurrent connections.
    pub connections: usize,
    /// Number of requests over all connections together.
    pub requests: usize,
    /// Path of each request.
    pub path: &'static str,
    /// Expected body of each response.
    pub body: Vec<u8>,
    /// Timeout of a response; exceeding it is reported as a stall.
    pub stall: Duration,
}

/// The result of a run without failures.
#[derive(Debug, Clone, Copy)]
pub struct LoadReport {
    /// Number of requests answered.
    pub requests: usize,
    /// Time from the first request to the last response, connection setup excluded.
    pub elapsed: Duration,
    /// Latency of the slowest response.
    pub slowest: Duration,
}

/// The first failure of a connection.
#[derive(Debug, thiserror::Error)]
#[error("connection {connection}, its request {request}, {after:.1?} after the start: {cause}")]
pub struct LoadError {
    /// Index of the connection, from 0.
    pub connection: usize,
    /// Index of its request, from 0.
    pub request: usize,
    /// Time since the start.
    pub after: Duration,
    /// The cause.
    pub cause: String,
}

impl Load {
    /// Sends every request and checks every response. Connections take requests from one pool, so that a slow one does
    /// not prolong the run.
    ///
    /// # Errors
    /// Returns the first failure of each connection that failed.
    pub fn run(&self) -> Result<LoadReport, Vec<LoadError>> {
        let start = Instant::now();
        let failure = |connection, request, cause| LoadError { connection, request, after: start.elapsed(), cause };
        // Serially, and each with a response: QEMU's backlog of a forwarded port is one connection, and the host's
        // kernel resets those beyond it.
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

    /// Sends one connection's requests; returns their number and the slowest latency, or the failed request and the
    /// cause.
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

    /// Starts a server that answers the first `answers` requests of each connection and then stalls.
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
        // The first of the three responses is consumed when connecting.
        assert!(stalled.iter().all(|error| error.cause.contains("stalled") && error.request == 2), "{stalled:?}");
        let wrong = load(server(usize::MAX), b"no").run().expect_err("a wrong body");
        assert!(wrong[0].cause.contains("another body"), "{wrong:?}");
    }
}
