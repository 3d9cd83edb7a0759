//! Whether to wait awake for a moment before the CPU is halted.
//!
//! Waking a halted CPU takes tens of microseconds where it is emulated, much more than what it is woken for. Waiting
//! awake costs as much time as it lasts, which somebody else may need: under emulation with one CPU for the guest, its
//! devices and its clients, the very one who would end the wait. So what would have helped of late decides.

/// How good spinning has been: each wait that it ended, or would have ended, adds; each that it only delayed takes away.
const BEST: u8 = 8;
/// A wait that spinning ends is worth this many that it does not.
const GAIN: u8 = 2;
/// While it does not pay, one wait of so many is spun all the same, to find out whether it would by now. Not a round
/// number: a load that repeats itself should not always be asked at the same place.
const PROBE: u32 = 127;

/// The policy, fed with what came of each wait.
#[derive(Debug, Clone)]
pub struct HaltPolling {
    /// Nanoseconds at the most; zero for never.
    limit: u64,
    score: u8,
    skipped: u32,
}

impl HaltPolling {
    /// A policy that spins for at most so many nanoseconds.
    #[must_use]
    pub const fn new(limit: u64) -> Self {
        Self { limit, score: 0, skipped: 0 }
    }

    /// Nanoseconds to spin for now, before halting.
    pub fn budget_ns(&mut self) -> u64 {
        if self.score > 0 {
            return self.limit;
        }
        self.skipped += 1;
        if self.skipped < PROBE {
            return 0;
        }
        self.skipped = 0;
        self.limit
    }

    /// Spinning has ended a wait.
    pub fn record_hit(&mut self) {
        self.score = (self.score + GAIN).min(BEST);
    }

    /// Spinning has not ended a wait, and the CPU is halted after all.
    pub fn record_miss(&mut self) {
        self.score = self.score.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How much of a thousand waits is spun, of which those that `ends` says end while spinning.
    fn spun(spin: &mut HaltPolling, ends: impl Fn(u32) -> bool) -> usize {
        let wait = |index: &u32| {
            let is_spun = spin.budget_ns() > 0;
            if is_spun && ends(*index) {
                spin.record_hit();
            } else if is_spun {
                spin.record_miss();
            }
            is_spun
        };
        (0..1000).filter(wait).count()
    }

    #[test]
    fn short_waits_are_spun_and_long_ones_are_not() {
        let mut spin = HaltPolling::new(50_000);
        assert!(spun(&mut spin, |_| true) > 700);
        assert_eq!(spun(&mut spin, |_| true), 1000);
        assert!(spun(&mut spin, |_| false) < 20);
        assert!(spun(&mut spin, |_| false) < 10);
        assert!(spun(&mut spin, |index| index % 2 == 0) > 500, "every other one is worth it");
        assert!(spun(&mut spin, |index| index % 8 == 0) < 150, "one of eight is not");
    }

    #[test]
    fn nobody_spins_who_must_not() {
        let mut spin = HaltPolling::new(0);
        assert_eq!(spun(&mut spin, |_| true), 0);
    }
}
