//! What one registered handler counts.

use alloc::vec::Vec;

use crate::config::Address;
use crate::platform::{Gsi, Mode, Vector};
use crate::sync::primitives::{AtomicU32, AtomicU64, Ordering};

/// One registered handler's place in the report, and its counters.
pub(crate) struct InterruptCounters {
    pub(crate) vector: Vector,
    pub(crate) mode: Mode,
    pub(crate) function: Address,
    pub(crate) driver: &'static str,
    pub(crate) names: Vec<&'static str>,
    pub(crate) gsi: Option<Gsi>,
    count: AtomicU64,
    unclaimed: AtomicU64,
    held_back: AtomicU64,
    longest_ticks: AtomicU32,
}

impl InterruptCounters {
    /// `vector` is `None` for nothing that was allocated; such a row reports vector 0.
    pub(crate) fn new(
        function: Address,
        driver: &'static str,
        vector: Option<Vector>,
        mode: Mode,
        gsi: Option<Gsi>,
        names: Vec<&'static str>,
    ) -> Self {
        Self {
            vector: vector.unwrap_or(Vector::new(0, 0)),
            mode,
            function,
            driver,
            names,
            gsi,
            count: AtomicU64::new(0),
            unclaimed: AtomicU64::new(0),
            held_back: AtomicU64::new(0),
            longest_ticks: AtomicU32::new(0),
        }
    }

    /// Counts a call. Only the vector's CPU writes, so no locked increment.
    #[inline]
    pub(crate) fn count(&self) {
        self.count.store(self.count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn count_unclaimed(&self) {
        self.unclaimed.store(self.unclaimed.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Notes how long a call took, in ticks. Only the vector's CPU writes.
    #[inline]
    pub(crate) fn note(&self, ticks: u32) {
        if ticks > self.longest_ticks.load(Ordering::Relaxed) {
            self.longest_ticks.store(ticks, Ordering::Relaxed);
        }
    }

    /// Counts an unmask that found the message pending.
    pub(crate) fn count_masked_while_pending(&self) {
        self.held_back.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn report(&self) -> InterruptReport {
        InterruptReport {
            vector: self.vector,
            mode: self.mode,
            function: self.function,
            driver: self.driver,
            names: self.names.clone(),
            gsi: self.gsi,
            count: self.count.load(Ordering::Relaxed),
            unclaimed: self.unclaimed.load(Ordering::Relaxed),
            masked_while_pending: self.held_back.load(Ordering::Relaxed),
            longest_ticks: self.longest_ticks.load(Ordering::Relaxed),
        }
    }
}

/// What one registered handler counted, for people and tools.
#[derive(Debug, Clone)]
pub struct InterruptReport {
    /// The vector that calls it.
    pub vector: Vector,
    /// The mode of its function.
    pub mode: Mode,
    /// Its function.
    pub function: Address,
    /// Its driver.
    pub driver: &'static str,
    /// The messages that the vector stands for; several when they are folded, `line` for a line.
    pub names: Vec<&'static str>,
    /// The line, for a line.
    pub gsi: Option<Gsi>,
    /// Calls.
    pub count: u64,
    /// Calls that were not its own.
    pub unclaimed: u64,
    /// Times that its message was pending behind the mask when it was unmasked.
    pub masked_while_pending: u64,
    /// The longest call, in ticks of the time stamp counter; of a line, the longest of all its handlers together.
    pub longest_ticks: u32,
}

impl InterruptReport {
    /// Calls that were its own.
    #[must_use]
    pub fn claimed(&self) -> u64 {
        self.count.saturating_sub(self.unclaimed)
    }

    /// Calls that stood for several messages at once: all of them, if its vector is shared by messages.
    #[must_use]
    pub fn folded(&self) -> u64 {
        if self.names.len() > 1 { self.count } else { 0 }
    }
}
