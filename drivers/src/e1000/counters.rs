//! What a card has done so far.

use core::sync::atomic::{AtomicU64, Ordering};

/// E1000Counters of one card. They only grow, and can be read while the card works.
#[derive(Debug, Default)]
pub struct E1000Counters {
    received: EventCount,
    sent: EventCount,
    dropped: EventCount,
    overruns: EventCount,
    send_errors: EventCount,
}

impl E1000Counters {
    /// Frames that were handed to the stack.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received.get()
    }

    /// Frames that were handed to the device.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent.get()
    }

    /// Descriptors that came back with an error, with nothing in them, or with a piece of a frame.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.get()
    }

    /// Returns the interrupts that reported frames for which there was no room.
    #[must_use]
    pub fn overruns(&self) -> u64 {
        self.overruns.get()
    }

    /// Frames that the device reported as not sent.
    #[must_use]
    pub fn send_errors(&self) -> u64 {
        self.send_errors.get()
    }

    pub(super) fn count_received(&self) {
        self.received.add();
    }

    pub(super) fn count_sent(&self) {
        self.sent.add();
    }

    pub(super) fn count_dropped(&self) {
        self.dropped.add();
    }

    pub(super) fn count_overrun(&self) {
        self.overruns.add();
    }

    pub(super) fn count_send_error(&self) {
        self.send_errors.add();
    }
}

/// Each has one writer, the task or the ISR: no locked increment is needed.
#[derive(Debug, Default)]
struct EventCount(AtomicU64);

impl EventCount {
    fn add(&self) {
        self.0.store(self.get().wrapping_add(1), Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
