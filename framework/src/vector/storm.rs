//! The breaker of a line: stops a storm that nobody claims, and lets the line back in when it behaves.
//!
//! A level that stays asserted calls for ever, and the CPU does nothing else. After [`STORM`] calls in a row that
//! no handler claimed, the line is masked. From then on it is polled: each [`retry`](StormDetector::retry) opens it for at
//! most [`TRIAL`] such calls. A handler whose device really raised the line is called that way too, only slower.

use crate::sync::primitives::{AtomicBool, AtomicU32, Ordering};

/// Unclaimed calls in a row that trip the breaker.
const STORM: u32 = 1_000;
/// Unclaimed calls in a row that trip it again while it is on trial.
const TRIAL: u32 = 10;

/// Only the line's CPU counts; the flags are for whoever tends it.
#[derive(Debug, Default)]
pub(crate) struct StormDetector {
    unclaimed: AtomicU32,
    /// Masked, to be opened by the next `retry`.
    open: AtomicBool,
    /// A storm was reported and the line has not behaved since.
    trial: AtomicBool,
}

/// What to do with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StormRetry {
    /// Unmask it.
    pub(crate) opens: bool,
    /// It came through its trial.
    pub(crate) behaves: bool,
}

impl StormDetector {
    /// Somebody claimed the call.
    #[inline]
    pub(crate) fn claimed(&self) {
        self.unclaimed.store(0, Ordering::Relaxed);
    }

    /// Nobody did. Says whether the line must be masked.
    pub(crate) fn unclaimed(&self) -> bool {
        let unclaimed = self.unclaimed.load(Ordering::Relaxed) + 1;
        self.unclaimed.store(unclaimed, Ordering::Relaxed);
        unclaimed >= STORM
    }

    /// The line was masked. Says whether that is news.
    pub(crate) fn trip(&self) -> bool {
        self.open.store(true, Ordering::Release);
        !self.trial.swap(true, Ordering::AcqRel)
    }

    /// Whether it has tripped and the line has not behaved since.
    pub(crate) fn is_on_trial(&self) -> bool {
        self.trial.load(Ordering::Acquire)
    }

    /// Its sharers changed: who claims it may be among them now.
    pub(crate) fn reset(&self) {
        self.unclaimed.store(0, Ordering::Relaxed);
        self.open.store(false, Ordering::Release);
        self.trial.store(false, Ordering::Release);
    }

    pub(crate) fn retry(&self) -> StormRetry {
        if self.open.swap(false, Ordering::AcqRel) {
            self.unclaimed.store(STORM - TRIAL, Ordering::Relaxed);
            return StormRetry { opens: true, behaves: false };
        }
        // Open since the last look, and not tripped: the storm is over.
        let behaves = self.trial.swap(false, Ordering::AcqRel);
        if behaves {
            self.unclaimed.store(0, Ordering::Relaxed);
        }
        StormRetry { opens: false, behaves }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storm(breaker: &StormDetector) -> usize {
        (1..=5_000).find(|_| breaker.unclaimed()).expect("it trips")
    }

    #[test]
    fn trips_at_a_thousand_and_on_trial_at_ten() {
        let breaker = StormDetector::default();
        assert_eq!((storm(&breaker), breaker.trip()), (1_000, true));
        for _ in 0..3 {
            assert_eq!(breaker.retry(), StormRetry { opens: true, behaves: false });
            assert_eq!((storm(&breaker), breaker.trip()), (10, false), "the same storm");
        }
        assert_eq!(breaker.retry(), StormRetry { opens: true, behaves: false });
        assert_eq!(breaker.retry(), StormRetry { opens: false, behaves: true });
        assert_eq!(breaker.retry(), StormRetry { opens: false, behaves: false });
        assert_eq!((storm(&breaker), breaker.trip()), (1_000, true), "a new one");
    }

    #[test]
    fn a_claim_starts_the_count_anew() {
        let breaker = StormDetector::default();
        for _ in 0..10 {
            assert!((0..999).all(|_| !breaker.unclaimed()));
            breaker.claimed();
        }
    }
}
