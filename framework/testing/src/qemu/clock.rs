//! The clock of a bench, which advances with each reading.

use core::sync::atomic::{AtomicU64, Ordering};

use switchboard::platform::Clock;

use super::recording::Point;
use super::session::Session;

/// The nanoseconds of the first readings of a wait loop.
const STEP_NS: u64 = 10_000;
/// The readings after which the step has doubled its square root.
const RAMP: u64 = 48;

/// The state of the clock.
#[derive(Debug, Default)]
pub(super) struct Time {
    now_ns: AtomicU64,
    /// Readings since the driver last wrote a register or a handler ran.
    idle_readings: AtomicU64,
}

impl Time {
    /// Notes progress: the next readings are close together.
    pub(super) fn note_progress(&self) {
        self.idle_readings.store(0, Ordering::Relaxed);
    }

    /// Advances the clock.
    pub(super) fn skip(&self, ns: u64) {
        self.now_ns.fetch_add(ns, Ordering::Relaxed);
    }

    fn advance(&self) -> u64 {
        let ramp = 1 + self.idle_readings.fetch_add(1, Ordering::Relaxed) / RAMP;
        let step = STEP_NS.saturating_mul(ramp.saturating_mul(ramp));
        self.now_ns.fetch_add(step, Ordering::Relaxed).saturating_add(step)
    }
}

impl Clock for Session {
    /// Lets QEMU's main loop and the CPU's thread run, and returns the advanced time.
    fn now_ns(&self) -> u64 {
        self.pass(Point::Time);
        self.time.advance()
    }
}
