//! Counters of the driver of a network card.

use core::sync::atomic::{AtomicU64, Ordering};

/// The counters of a card since its start. They have one writer, the driver, so that an increment needs no locked instruction.
///
/// ```
/// use switchboard_drivers::virtio::net::NetCounters;
///
/// let counters = NetCounters::default();
/// assert_eq!((counters.received.get(), counters.sent.get(), counters.full.get()), (0, 0, 0));
/// ```
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct NetCounters {
    /// Frames received.
    pub received: NetCounter,
    /// Frames sent.
    pub sent: NetCounter,
    /// Received frames that were dropped: too short, or not consumed by the stack.
    pub dropped: NetCounter,
    /// Kicks of both queues.
    pub kicks: NetCounter,
    /// Times that the stack had to wait for a free transmit buffer.
    pub full: NetCounter,
}

/// One counter.
#[derive(Debug, Default)]
pub struct NetCounter(AtomicU64);

impl NetCounter {
    /// Returns its value.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Adds to it.
    pub(super) fn add(&self, count: u64) {
        self.0.store(self.get() + count, Ordering::Relaxed);
    }
}
