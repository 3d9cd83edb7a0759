//! Interrupt storms: masking a line whose interrupts no handler claims, and unmasking it when the storm is over.
//!
//! A level-triggered line that stays asserted interrupts without end, and the CPU does nothing else. After [`STORM`] calls in
//! a row that no handler claimed, the line is masked. From then on it is polled: each [`retry`](StormDetector::retry) unmasks
//! it for at most [`PROBATION`] such calls. A handler whose device did raise the line is still called that way, only later.

use crate::sync::primitives::{AtomicBool, AtomicU32, Ordering};

/// The number of unclaimed calls in a row that make a storm.
const STORM: u32 = 1_000;
/// The number of unclaimed calls in a row that make it again while the line is on probation.
const PROBATION: u32 = 10;

/// The storm detector of one line. Only the line's CPU writes the counter; the flags are for the task that retries the line.
#[derive(Debug, Default)]
pub(crate) struct StormDetector {
    unclaimed: AtomicU32,
    /// The line is masked, and the next `retry` unmasks it.
    is_masked: AtomicBool,
    /// A storm was reported, and the line has not recovered since.
    is_on_probation: AtomicBool,
}

/// The result of a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StormRetry {
    /// The line is to be unmasked.
    pub(crate) unmasks: bool,
    /// The storm is over.
    pub(crate) has_recovered: bool,
}

impl StormDetector {
    /// Records a call that a handler claimed.
    #[inline]
    pub(crate) fn claimed(&self) {
        self.unclaimed.store(0, Ordering::Relaxed);
    }

    /// Records a call that no handler claimed. Returns whether the line must be masked.
    pub(crate) fn unclaimed(&self) -> bool {
        let unclaimed = self.unclaimed.load(Ordering::Relaxed) + 1;
        self.unclaimed.store(unclaimed, Ordering::Relaxed);
        unclaimed >= STORM
    }

    /// Records that the line was masked. Returns `true` for a new storm, and `false` for one that was reported before.
    pub(crate) fn trip(&self) -> bool {
        self.is_masked.store(true, Ordering::Release);
        !self.is_on_probation.swap(true, Ordering::AcqRel)
    }

    /// Returns whether there was a storm from which the line has not recovered.
    pub(crate) fn is_on_probation(&self) -> bool {
        self.is_on_probation.load(Ordering::Acquire)
    }

    /// Forgets the storm, because the sharers of the line changed: the new one may claim its interrupts.
    pub(crate) fn reset(&self) {
        self.unclaimed.store(0, Ordering::Relaxed);
        self.is_masked.store(false, Ordering::Release);
        self.is_on_probation.store(false, Ordering::Release);
    }

    /// Decides what happens to the line until the next retry.
    pub(crate) fn retry(&self) -> StormRetry {
        if self.is_masked.swap(false, Ordering::AcqRel) {
            self.unclaimed.store(STORM - PROBATION, Ordering::Relaxed);
            return StormRetry { unmasks: true, has_recovered: false };
        }
        // Unmasked since the last retry, and not masked again: the storm is over.
        let has_recovered = self.is_on_probation.swap(false, Ordering::AcqRel);
        if has_recovered {
            self.unclaimed.store(0, Ordering::Relaxed);
        }
        StormRetry { unmasks: false, has_recovered }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storm(detector: &StormDetector) -> usize {
        (1..=5_000).find(|_| detector.unclaimed()).expect("the detector trips")
    }

    #[test]
    fn trips_at_a_thousand_and_on_probation_at_ten() {
        let detector = StormDetector::default();
        assert_eq!((storm(&detector), detector.trip()), (1_000, true));
        for _ in 0..3 {
            assert_eq!(detector.retry(), StormRetry { unmasks: true, has_recovered: false });
            assert_eq!((storm(&detector), detector.trip()), (10, false), "the same storm");
        }
        assert_eq!(detector.retry(), StormRetry { unmasks: true, has_recovered: false });
        assert_eq!(detector.retry(), StormRetry { unmasks: false, has_recovered: true });
        assert_eq!(detector.retry(), StormRetry { unmasks: false, has_recovered: false });
        assert_eq!((storm(&detector), detector.trip()), (1_000, true), "a new storm");
    }

    #[test]
    fn a_claim_resets_the_count() {
        let detector = StormDetector::default();
        for _ in 0..10 {
            assert!((0..999).all(|_| !detector.unclaimed()));
            detector.claimed();
        }
    }
}
