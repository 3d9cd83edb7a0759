//! Halt polling: decides whether an idle CPU polls for a moment before it halts.
//!
//! Waking a halted CPU takes tens of microseconds where it is emulated, much more than the work that it is woken for.
//! Polling takes CPU time instead, which others may need: under emulation with one CPU for the guest, its devices and its
//! clients, polling delays the very thread that would end the wait. So the outcome of recent waits decides, as in Linux's
//! `haltpoll` governor.

/// The score's upper limit: after it, this many misses in a row turn polling off.
const MAX_SCORE: u8 = 8;
/// The increment of the score by a hit. A miss decrements it by one.
const HIT_SCORE: u8 = 2;
/// While polling is off, one wait of this many is polled, to detect that it would pay off again. Not a round number, so
/// that a periodic load is not always probed at the same phase.
const PROBE_INTERVAL: u32 = 127;

/// The policy, which learns from the outcome of each wait.
///
/// ```
/// use switchboard_runtime::halt_polling::HaltPolling;
///
/// let mut polling = HaltPolling::new(50_000);
/// assert_eq!(polling.budget_ns(), 0, "off until a probe is a hit");
/// let probe = (0..200).map(|_| polling.budget_ns()).find(|budget| *budget > 0);
/// assert_eq!(probe, Some(50_000));
/// polling.record_hit();
/// assert_eq!(polling.budget_ns(), 50_000);
/// ```
#[derive(Debug, Clone)]
pub struct HaltPolling {
    /// The longest time to poll for; 0 for never.
    limit_ns: u64,
    score: u8,
    skipped: u32,
}

impl HaltPolling {
    /// Makes a policy that polls for at most `limit_ns` nanoseconds; 0 turns polling off.
    #[must_use]
    pub const fn new(limit_ns: u64) -> Self {
        Self { limit_ns, score: 0, skipped: 0 }
    }

    /// Returns for how many nanoseconds to poll before this halt; 0 for not at all.
    pub fn budget_ns(&mut self) -> u64 {
        if self.score > 0 {
            return self.limit_ns;
        }
        self.skipped += 1;
        if self.skipped < PROBE_INTERVAL {
            return 0;
        }
        self.skipped = 0;
        self.limit_ns
    }

    /// Records that work came while the CPU polled.
    pub fn record_hit(&mut self) {
        self.score = (self.score + HIT_SCORE).min(MAX_SCORE);
    }

    /// Records that no work came while the CPU polled, so that it halts after all.
    pub fn record_miss(&mut self) {
        self.score = self.score.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns how many of a thousand waits are polled; those for which `ends` is true end while they are polled.
    fn polled(polling: &mut HaltPolling, ends: impl Fn(u32) -> bool) -> usize {
        let wait = |index: &u32| {
            let is_polled = polling.budget_ns() > 0;
            if is_polled && ends(*index) {
                polling.record_hit();
            } else if is_polled {
                polling.record_miss();
            }
            is_polled
        };
        (0..1000).filter(wait).count()
    }

    #[test]
    fn short_waits_are_polled_and_long_ones_are_not() {
        let mut polling = HaltPolling::new(50_000);
        assert!(polled(&mut polling, |_| true) > 700);
        assert_eq!(polled(&mut polling, |_| true), 1000);
        assert!(polled(&mut polling, |_| false) < 20);
        assert!(polled(&mut polling, |_| false) < 10);
        assert!(polled(&mut polling, |index| index % 2 == 0) > 500, "every other wait is short");
        assert!(polled(&mut polling, |index| index % 8 == 0) < 150, "one wait of eight is short");
    }

    #[test]
    fn a_limit_of_zero_turns_polling_off() {
        let mut polling = HaltPolling::new(0);
        assert_eq!(polled(&mut polling, |_| true), 0);
    }
}
