//! Whether to poll a device or to wait for its interrupts: whichever was faster of late.
//!
//! Polling saves the interrupt and the halt, and takes the CPU from whoever else needs it, who may be the one that is
//! waited for. Which of the two weighs more, nobody can tell beforehand: so both are tried, in turns, on the load that
//! there is, and the better one is kept for a while.

/// Events in a trial: so many that it lasts longer than a host's scheduler lets one of two wait.
const TRIAL: u32 = 512;
/// Trials for which the better way is kept.
const KEPT: u32 = 30;
/// Nanoseconds between events beyond which there is no load to speak of, and nothing to win.
const IDLE: u64 = 1_000_000;
/// Nanoseconds without an event after which a trial begins anew.
const PAUSE: u64 = 20_000_000;
/// When a trial of interrupts is lost.
const NEVER: u64 = u64::MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Interrupts are on trial.
    Waiting,
    /// Polling is on trial: an event may take so many nanoseconds.
    Polling(u64),
    /// Polling has won, and is in use for so many trials more, while an event takes no longer than that.
    Polls { bar: u64, left: u32 },
    /// Interrupts were better, and are in use for so many trials more.
    Waits { left: u32 },
}

/// The contest, fed with what happens.
#[derive(Debug, Clone)]
pub(crate) struct Contest {
    /// Nanoseconds after an event for which it is polled for the next one; 0 for never.
    patience: u64,
    phase: Phase,
    /// Events of this trial so far, and looks that found some.
    events: u32,
    looks: u32,
    /// When it began, when it is lost at the latest, and when the last event was.
    began: u64,
    lost: u64,
    last: u64,
}

impl Contest {
    /// A contest that begins at `now`, in nanoseconds. Once nothing has happened for `patience` nanoseconds, it is waited for;
    /// with 0 it always is.
    #[must_use]
    pub(crate) const fn new(now: u64, patience: u64) -> Self {
        Self { patience, phase: Phase::Waiting, events: 0, looks: 0, began: now, lost: NEVER, last: now }
    }

    /// Events were found.
    #[inline]
    pub(crate) fn found(&mut self, events: u32, now: u64) {
        self.events += events;
        self.looks += 1;
        let last = core::mem::replace(&mut self.last, now);
        if now - last > PAUSE || self.events >= TRIAL || now > self.lost {
            self.end(last, now);
        }
    }

    /// The end of a trial.
    #[cold]
    fn end(&mut self, last: u64, now: u64) {
        if now - last <= PAUSE {
            let each = (now - self.began) / u64::from(self.events);
            self.phase = match self.phase {
                // Lost already. It need not be played to its end, which may take long.
                _ if now > self.lost => Phase::Waits { left: KEPT },
                _ if each > IDLE => Phase::Waiting,
                // Several share an interrupt already, and there is little to save.
                Phase::Waiting if self.events > self.looks + self.looks / 4 => Phase::Waits { left: KEPT },
                // By a quarter at least: polling takes the CPU from others, and what is measured varies.
                Phase::Waiting => Phase::Polling(each - each / 4),
                Phase::Polling(bar) => Phase::Polls { bar, left: KEPT },
                Phase::Polls { left: 0, .. } | Phase::Waits { left: 0 } => Phase::Waiting,
                Phase::Polls { bar, left } => Phase::Polls { bar, left: left - 1 },
                Phase::Waits { left } => Phase::Waits { left: left - 1 },
            };
        }
        self.lost = match self.phase {
            Phase::Polling(bar) | Phase::Polls { bar, .. } => now + bar * u64::from(TRIAL),
            Phase::Waiting | Phase::Waits { .. } => NEVER,
        };
        (self.events, self.looks, self.began) = (0, 0, now);
    }

    /// Whether to look again at once, rather than to wait for an interrupt.
    #[inline]
    #[must_use]
    pub(crate) fn polls(&self, now: u64) -> bool {
        self.lost != NEVER && now - self.last < self.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of 100 trials, the share in which it polled, when events take so long each.
    fn share(waiting: u64, polling: u64) -> u32 {
        let mut contest = Contest::new(0, 300_000);
        let (mut now, mut polled) = (0, 0);
        for _ in 0..100 * TRIAL {
            let polls = contest.polls(now);
            polled += u32::from(polls);
            now += if polls { polling } else { waiting };
            contest.found(1, now);
        }
        polled / TRIAL
    }

    #[test]
    fn the_faster_way_is_kept() {
        assert!(share(100_000, 30_000) > 90);
        assert!(share(40_000, 90_000) < 10);
    }

    #[test]
    fn polling_that_has_become_slow_is_given_up_at_once() {
        let mut contest = Contest::new(0, 300_000);
        let mut now = 0;
        let mut events = |contest: &mut Contest, count: u32, polling: u64| {
            let mut polled = 0;
            for _ in 0..count {
                let polls = contest.polls(now);
                polled += u32::from(polls);
                now += if polls { polling } else { 100_000 };
                contest.found(1, now);
            }
            polled
        };
        assert!(events(&mut contest, 4 * TRIAL, 30_000) > 2 * TRIAL);
        assert!(events(&mut contest, 4 * TRIAL, 5_000_000) < 20);
    }

    #[test]
    fn what_comes_in_crowds_is_waited_for() {
        let mut contest = Contest::new(0, 300_000);
        let mut now = 0;
        for _ in 0..100 * TRIAL {
            assert!(!contest.polls(now));
            now += 100_000;
            contest.found(2, now);
        }
    }

    #[test]
    fn a_pause_is_no_part_of_a_trial() {
        let mut contest = Contest::new(0, 300_000);
        let mut now = 0;
        for event in 0..10 * TRIAL {
            // A burst of fifty each second.
            now += if event % 50 == 0 { 1_000_000_000 } else { 100_000 };
            contest.found(1, now);
        }
        assert!(!matches!(contest.phase, Phase::Waits { .. }), "{contest:?}");
    }

    #[test]
    fn without_load_it_waits() {
        assert_eq!(share(2_000_000, 2_000_000), 0);
        let mut contest = Contest::new(0, 300_000);
        (1..=2 * u64::from(TRIAL)).for_each(|event| contest.found(1, event * 1000));
        assert!(!contest.polls(10_000_000), "long after the last event");
    }
}
