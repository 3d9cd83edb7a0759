//! Load generators: each keeps a guest busy in a closed loop on one thread, and checks every byte that is returned.
//!
//! They share a CPU with the guest, so they allocate no memory while they measure.

pub mod bulk;
pub mod echo;
pub mod exchange;
pub mod frames;
pub mod http;
mod packet;
mod response;
mod span;
pub mod tls;
pub mod websocket;

use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::io;
use std::net::TcpStream;
use std::time::Instant;

pub use packet::Packets;
pub use span::{CpuClock, Span};

/// Initial time that is not measured, in which caches, TCP windows and polling policies settle.
const WARM_UP: Duration = Duration::from_millis(300);
/// Time without any response after which a request counts as lost.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum number of round trips whose times are kept.
const MAX_TIMES: usize = 1 << 20;

/// The result of a measurement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Operations per second; for bulk transfers, megabytes per second.
    pub rate: f64,
    /// Operations or megabytes per second of CPU time of QEMU; `None` where it is not measured.
    pub cpu_rate: Option<f64>,
    /// Median of the round-trip time in microseconds; zero where none are measured.
    pub p50: f64,
    /// 99th percentile of the round-trip time in microseconds; zero where none are measured.
    pub p99: f64,
}

impl Sample {
    /// Returns the sample of a single value.
    #[must_use]
    pub fn of(rate: f64) -> Self {
        Self { rate, cpu_rate: None, p50: 0.0, p99: 0.0 }
    }

    /// Returns the same with each operation counted as this many.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        Self { rate: self.rate * factor, cpu_rate: self.cpu_rate.map(|rate| rate * factor), ..self }
    }
}

/// Counts operations and records their times, after the warm-up.
struct Meter {
    begin: Instant,
    span: Span,
    cpu_begin: Option<Duration>,
    is_warm: bool,
    count: u64,
    times: Vec<u32>,
}

impl Meter {
    fn new(span: impl Into<Span>) -> Self {
        let times = Vec::with_capacity(MAX_TIMES);
        Self { begin: Instant::now(), span: span.into(), cpu_begin: None, is_warm: false, count: 0, times }
    }

    /// Records an operation that began at `begin`; returns whether the measurement is complete.
    fn done(&mut self, begin: Instant, now: Instant) -> bool {
        if self.times.len() < MAX_TIMES {
            self.times.push(u32::try_from((now - begin).as_nanos() / 10).unwrap_or(u32::MAX));
        }
        self.moved(1, now)
    }

    /// Records a transfer of `amount`; returns whether the measurement is complete.
    fn moved(&mut self, amount: u64, now: Instant) -> bool {
        self.count += amount;
        let elapsed = now - self.begin;
        if !self.is_warm && elapsed > WARM_UP {
            (self.is_warm, self.begin, self.count) = (true, now, 0);
            self.cpu_begin = self.span.cpu_time();
            self.times.clear();
            return false;
        }
        self.is_warm && elapsed > self.span.duration
    }

    fn sample(mut self, now: Instant) -> Sample {
        let cpu_time = self.span.cpu_time().zip(self.cpu_begin).map(|(end, begin)| end.saturating_sub(begin));
        self.times.sort_unstable();
        let at = |share: usize| match self.times.len() {
            0 => 0.0,
            length => f64::from(self.times[(length - 1) * share / 100]) / 100.0,
        };
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let count = self.count as f64;
        let rate = count / (now - self.begin).as_secs_f64();
        let cpu_rate = cpu_time.filter(|time| !time.is_zero()).map(|time| count / time.as_secs_f64());
        Sample { rate, cpu_rate, p50: at(50), p99: at(99) }
    }
}

/// Returns the address of a forwarded port.
#[must_use]
pub fn forwarded(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn connect(port: u16) -> io::Result<TcpStream> {
    connect_to(forwarded(port))
}

fn connect_to(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    Ok(stream)
}

fn wrong(what: impl Into<String>) -> io::Error {
    io::Error::other(what.into())
}
