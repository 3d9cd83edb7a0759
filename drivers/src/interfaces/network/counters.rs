//! Counters of the driver of a network card, and those of the card itself.

use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};

/// The counters of the driver of one card. They only grow, and can be read while the card is in use.
///
/// ```
/// use switchboard_drivers::interfaces::network::CardCounters;
///
/// let counters = CardCounters::default();
/// assert_eq!((counters.received(), counters.dropped(), counters.overruns()), (0, 0, 0));
/// ```
#[derive(Debug, Default)]
pub struct CardCounters {
    received: EventCount,
    sent: EventCount,
    dropped: EventCount,
    overruns: EventCount,
    send_errors: EventCount,
}

impl CardCounters {
    /// Returns the number of frames passed to the stack.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received.get()
    }

    /// Returns the number of frames submitted to the card.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent.get()
    }

    /// Returns the number of receive descriptors that were dropped: with an error, empty, or with a part of a frame.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.get()
    }

    /// Returns the number of interrupts that reported a lack of room for frames.
    #[must_use]
    pub fn overruns(&self) -> u64 {
        self.overruns.get()
    }

    /// Returns the number of frames that the card reported as not sent.
    #[must_use]
    pub fn send_errors(&self) -> u64 {
        self.send_errors.get()
    }

    pub(crate) fn count_received(&self) {
        self.received.add();
    }

    pub(crate) fn count_sent(&self) {
        self.sent.add();
    }

    pub(crate) fn count_dropped(&self) {
        self.dropped.add();
    }

    pub(crate) fn count_overrun(&self) {
        self.overruns.add();
    }

    pub(crate) fn count_send_error(&self) {
        self.send_errors.add();
    }
}

/// A counter with one writer, a task or the handler, so that an increment needs no locked instruction.
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

/// The statistics that a card itself keeps, since the probe.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CardStatistics {
    /// Frames for which the card had no room.
    pub missed: u64,
    /// Frames with a wrong CRC.
    pub crc_errors: u64,
}

impl fmt::Display for CardStatistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} frames missed, {} CRC errors", self.missed, self.crc_errors)
    }
}
