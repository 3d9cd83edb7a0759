//! Clients that keep a guest busy, each in a closed loop on one thread, and look at every byte that comes back.
//!
//! They share a CPU with the guest, so they allocate nothing while they measure.

pub mod bulk;
pub mod echo;
pub mod frames;
pub mod http;

use core::net::SocketAddr;
use core::time::Duration;
use std::io;
use std::net::TcpStream;
use std::time::Instant;

/// Before this has passed nothing is counted: caches, windows and policies settle.
const WARM_UP: Duration = Duration::from_millis(300);
/// A guest that answers nothing for this long has lost something.
const PATIENCE: Duration = Duration::from_secs(5);
/// Round trips whose times are kept.
const MOST_TIMES: usize = 1 << 20;

/// What a client has seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Operations a second; for bulk transfers, megabytes a second.
    pub rate: f64,
    /// Microseconds of a round trip, in the middle and for the slowest hundredth; zero where there are none.
    pub p50: f64,
    /// See [`p50`](Self::p50).
    pub p99: f64,
}

/// Counts operations, and their times, once the warm-up is over.
struct Meter {
    begin: Instant,
    seconds: Duration,
    is_warm: bool,
    count: u64,
    times: Vec<u32>,
}

impl Meter {
    fn new(seconds: f64) -> Self {
        let times = Vec::with_capacity(MOST_TIMES);
        Self { begin: Instant::now(), seconds: Duration::from_secs_f64(seconds), is_warm: false, count: 0, times }
    }

    /// An operation that began at `begin` is over. Says whether the measurement is.
    fn done(&mut self, begin: Instant, now: Instant) -> bool {
        if self.times.len() < MOST_TIMES {
            self.times.push(u32::try_from((now - begin).as_nanos() / 10).unwrap_or(u32::MAX));
        }
        self.moved(1, now)
    }

    /// So much was done. Says whether the measurement is over.
    fn moved(&mut self, amount: u64, now: Instant) -> bool {
        self.count += amount;
        let elapsed = now - self.begin;
        if !self.is_warm && elapsed > WARM_UP {
            (self.is_warm, self.begin, self.count) = (true, now, 0);
            self.times.clear();
            return false;
        }
        self.is_warm && elapsed > self.seconds
    }

    fn sample(mut self, now: Instant) -> Sample {
        self.times.sort_unstable();
        let at = |share: usize| match self.times.len() {
            0 => 0.0,
            length => f64::from(self.times[(length - 1) * share / 100]) / 100.0,
        };
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let rate = self.count as f64 / (now - self.begin).as_secs_f64();
        Sample { rate, p50: at(50), p99: at(99) }
    }
}

fn connect(port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], port)), PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn wrong(what: impl Into<String>) -> io::Error {
    io::Error::other(what.into())
}
