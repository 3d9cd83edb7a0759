//! A limit of the lines that peers and clients cause.

use core::fmt;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use embassy_time::Instant;
use log::Level;

/// The time between two lines, in milliseconds.
const INTERVAL_MS: u64 = 5000;

/// A limit of log lines of one kind: at most one in five seconds. The next one has the number of those that were left out.
///
/// ```standalone_crate
/// # embassy_time_driver::time_driver_impl!(static DRIVER: Stopped = Stopped);
/// # struct Stopped;
/// # impl embassy_time_driver::Driver for Stopped {
/// #     fn now(&self) -> u64 { 1_000_000 }
/// #     fn schedule_wake(&self, _at: u64, _waker: &core::task::Waker) {}
/// # }
/// use switchboard_runtime::log_limit::LogLimit;
///
/// static REFUSED: LogLimit = LogLimit::new();
/// REFUSED.log(log::Level::Warn, format_args!("a client was refused"));
/// ```
#[derive(Debug, Default)]
pub struct LogLimit {
    /// When the next line may be logged.
    next_ms: AtomicU64,
    left_out: AtomicU32,
}

impl LogLimit {
    /// Creates a limit that has logged nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { next_ms: AtomicU64::new(0), left_out: AtomicU32::new(0) }
    }

    /// Logs a line, unless the last one was just now.
    #[cold]
    pub fn log(&self, level: Level, line: fmt::Arguments<'_>) {
        let now_ms = Instant::now().as_millis();
        if now_ms < self.next_ms.load(Ordering::Relaxed) {
            self.left_out.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.next_ms.store(now_ms + INTERVAL_MS, Ordering::Relaxed);
        match self.left_out.swap(0, Ordering::Relaxed) {
            0 => log::log!(level, "{line}"),
            count => log::log!(level, "{line} ({count} others since the last line)"),
        }
    }
}
