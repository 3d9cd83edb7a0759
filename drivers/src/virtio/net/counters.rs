//! What a network device has done, for reports.

use core::sync::atomic::{AtomicU64, Ordering};

/// Counts since the device was started. Written by the driver only, so adding needs no locked instruction.
#[derive(Debug, Default)]
pub struct NetCounters {
    /// Frames received.
    pub received: Counter,
    /// Frames sent.
    pub sent: Counter,
    /// Frames received that were of no use: too short, or not wanted.
    pub dropped: Counter,
    /// Kicks for either queue.
    pub kicks: Counter,
    /// Times that sending had to wait for a free buffer.
    pub full: Counter,
}

/// One count.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Its value.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Adds to it. There is one writer.
    pub(super) fn add(&self, count: u64) {
        self.0.store(self.get() + count, Ordering::Relaxed);
    }
}
