//! A load generator: many kept-alive connections, every answer checked, a stall reported where it happened.

use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use std::{env, thread};

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
    /// From the first connection to the last answer.
    pub elapsed: Duration,
    /// The slowest answer.
    pub slowest: Duration,
}

/// The first thing that went wrong on a connection.
#[derive(Debug, thiserror::Error)]
#[error("connection {connection}, its request {request}: {cause}")]
pub struct LoadError {
    /// Which connection, from 0.
    pub connection: usize,
    /// Which of its requests, from 0.
    pub request: usize,
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
        let taken = AtomicUsize::new(0);
        // QEMU's port forwarding listens with a backlog of one: of many connections at once the host drops some, and
        // they wait for seconds, or are reset, before the guest hears of them.
        let opening = Mutex::new(());
        let results: Vec<_> = thread::scope(|scope| {
            let workers: Vec<_> = (0..self.connections)
                .map(|connection| {
                    scope.spawn({
                        let (taken, opening) = (&taken, &opening);
                        move || self.connection(connection, taken, opening)
                    })
                })
                .collect();
            workers.into_iter().map(|worker| worker.join().expect("a worker does not panic")).collect()
        });
        let elapsed = start.elapsed();
        let (done, failed): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
        let failed: Vec<LoadError> = failed.into_iter().filter_map(Result::err).collect();
        if !failed.is_empty() {
            return Err(failed);
        }
        let done: Vec<(usize, Duration)> = done.into_iter().filter_map(Result::ok).collect();
        let requests = done.iter().map(|&(requests, _)| requests).sum();
        let slowest = done.iter().map(|&(_, slowest)| slowest).max().unwrap_or_default();
        Ok(LoadReport { requests, elapsed, slowest })
    }

    /// One connection's requests: how many, and the slowest answer.
    fn connection(
        &self,
        connection: usize,
        taken: &AtomicUsize,
        opening: &Mutex<()>,
    ) -> Result<(usize, Duration), LoadError> {
        let mut request = 0;
        let mut slowest = Duration::ZERO;
        let mut attempt = || -> Result<(), String> {
            let mut turn = Some(opening.lock().unwrap_or_else(PoisonError::into_inner));
            let mut client = Client::connect(self.port, self.stall).map_err(|error| self.explain(&error))?;
            while taken.fetch_add(1, Ordering::Relaxed) < self.requests {
                let sent = Instant::now();
                let response = client.get(self.path).map_err(|error| self.explain(&error))?;
                // It is open now: the next one may.
                drop(turn.take());
                if response.status != 200 || response.body != self.body {
                    return Err(format!(
                        "status {} with {} bytes of another body",
                        response.status,
                        response.body.len()
                    ));
                }
                slowest = slowest.max(sent.elapsed());
                request += 1;
            }
            Ok(())
        };
        match attempt() {
            Ok(()) => Ok((request, slowest)),
            Err(cause) => Err(LoadError { connection, request, cause }),
        }
    }

    fn explain(&self, error: &HttpError) -> String {
        use std::io::ErrorKind::{TimedOut, WouldBlock};
        match error {
            HttpError::Io(io) if [TimedOut, WouldBlock].contains(&io.kind()) => format!("stalled for {:?}", self.stall),
            other => other.to_string(),
        }
    }
}

/// How many requests a load test sends: `SWITCHBOARD_REQUESTS`, or `otherwise`.
///
/// # Panics
/// When the variable holds no number.
#[must_use]
pub fn requests(otherwise: usize) -> usize {
    match env::var("SWITCHBOARD_REQUESTS") {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("SWITCHBOARD_REQUESTS={text} is not a number")),
        Err(_) => otherwise,
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
        assert!(stalled.iter().all(|error| error.cause.contains("stalled") && error.request == 3), "{stalled:?}");
        let wrong = load(server(usize::MAX), b"no").run().expect_err("a wrong body");
        assert!(wrong[0].cause.contains("another body"), "{wrong:?}");
    }
}
