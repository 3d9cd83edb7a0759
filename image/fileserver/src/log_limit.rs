//! Lines of the log that clients cause, at most one in a while.

use core::cell::Cell;

use embassy_time::{Duration, Instant};
use log::Level;

use crate::filesystem::FileSystemError;

/// The time between two lines.
const INTERVAL: Duration = Duration::from_secs(5);

/// The limit of lines about files that were cut short.
#[derive(Debug, Default)]
pub(crate) struct LogLimit {
    last: Cell<Option<Instant>>,
    left_out: Cell<u64>,
}

impl LogLimit {
    /// Logs that a file was cut short.
    pub(crate) fn log(&self, error: FileSystemError) {
        if self.last.get().is_some_and(|last| last.elapsed() < INTERVAL) {
            self.left_out.set(self.left_out.get() + 1);
            return;
        }
        self.last.set(Some(Instant::now()));
        // The removal of a disk is not an error.
        let level = if error.is_gone() { Level::Info } else { Level::Error };
        match self.left_out.replace(0) {
            0 => log::log!(level, "file cut short: {error}"),
            count => log::log!(level, "file cut short: {error} ({count} others since the last line)"),
        }
    }
}
