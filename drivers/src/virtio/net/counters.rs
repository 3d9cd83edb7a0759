//! What a network device has done, for reports.

use core::sync::atomic::{AtomicU64, Ordering};

/// Counts since the device was started. Written by the driver only, so adding needs no locked instruction.
#[derive(Debug, Default)]
pub struct NetCounters {
    /// Frames received.
    pub received: NetCounter,
    /// Frames sent.
    pub sent: NetCounter,
    /// Frames received that were of no use: too short, or not wanted.
    pub dropped: NetCounter,
    /// Kicks for either queue.
    pub kicks: NetCounter,
    /// Times that sending had to wait for a free buffer.
    pub full: NetCounter,
}

/// One count.
#[derive(Debug, Default)]
pub struct NetCounter(AtomicU64);

impl NetCounter {
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
