//! The comparison of two CPUs' time stamp counters: all clocks are read as one, so they must agree.

use core::hint::spin_loop;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::clock;

/// Exchanges per comparison. The shortest decides.
const ROUNDS: u32 = 8;
/// The limit for an exchange: a CPU of a busy host is not run for a while.
const TIMEOUT_NS: u64 = 1_000_000_000;

/// The exchange of readings: odd numbers are questions, even ones answers.
static TURN: AtomicU32 = AtomicU32::new(0);
static ANSWER: AtomicU64 = AtomicU64::new(0);

/// The difference of two counters in ticks: the smallest and the largest that the exchanges permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) least: i64,
    pub(super) most: i64,
}

impl Difference {
    const UNKNOWN: Self = Self { least: i64::MIN, most: i64::MAX };

    /// Narrows the difference by an exchange: the other counter was read as `answer`, between `before` and `after`.
    fn narrow(self, before: u64, answer: u64, after: u64) -> Self {
        let than = |other: u64| answer.wrapping_sub(other).cast_signed();
        Self { least: self.least.max(than(after)), most: self.most.min(than(before)) }
    }

    /// Returns whether the counters can be equal.
    pub(super) fn is_zero_possible(self) -> bool {
        self.least <= 0 && self.most >= 0
    }
}

/// Compares the counter of a CPU that calls [`answer`] with this one's. `None` if it stops answering.
pub(super) fn compare() -> Option<Difference> {
    let mut difference = Difference::UNKNOWN;
    for round in 0..ROUNDS {
        let start_ns = clock::now_ns();
        let before = clock::read_tsc();
        TURN.store(2 * round + 1, Ordering::SeqCst);
        while TURN.load(Ordering::SeqCst) != 2 * round + 2 {
            if clock::now_ns() > start_ns + TIMEOUT_NS {
                return None;
            }
            spin_loop();
        }
        let after = clock::read_tsc();
        difference = difference.narrow(before, ANSWER.load(Ordering::SeqCst), after);
    }
    TURN.store(0, Ordering::SeqCst);
    Some(difference)
}

/// Answers one comparison. Run by one CPU at a time.
pub(super) fn answer() {
    for round in 0..ROUNDS {
        while TURN.load(Ordering::SeqCst) != 2 * round + 1 {
            spin_loop();
        }
        ANSWER.store(clock::read_tsc(), Ordering::SeqCst);
        TURN.store(2 * round + 2, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::Difference;

    #[test]
    fn exchanges_bound_the_difference() {
        let equal = Difference::UNKNOWN.narrow(100, 150, 300).narrow(1000, 1090, 1100);
        assert_eq!(equal, Difference { least: -10, most: 50 });
        assert!(equal.is_zero_possible());
        let ahead = equal.narrow(2000, 2500, 2400);
        assert_eq!((ahead, ahead.is_zero_possible()), (Difference { least: 100, most: 50 }, false));
        assert!(!Difference::UNKNOWN.narrow(5000, 200, 5100).is_zero_possible());
        assert!(Difference::UNKNOWN.narrow(u64::MAX - 5, 3, 10).is_zero_possible());
    }
}
