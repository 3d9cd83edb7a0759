//! Whether to poll a device or to wait for its interrupts: whichever was faster of late.
//!
//! Polling saves the interrupt and the halt, and takes the CPU from whoever else needs it, who may be the one that is
//! waited for. Which of the two weighs more, nobody can tell beforehand: so both are tried, in turns, on the load that
//! there is, and the better one is kept for a while.

/// Events in a trial.
const TRIAL: u32 = 128;
/// Trials for which the better way is kept.
const KEPT: u32 = 30;
/// Nanoseconds between events beyond which there is no load to speak of, and nothing to win.
const IDLE: u64 = 1_000_000;
/// Nanoseconds after an event for which it is polled for the next one.
const PATIENCE: u64 = 300_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Interrupts are on trial.
    Waiting,
    /// Polling is on trial, against so many nanoseconds.
    Polling(u64),
    /// The better one is in use, for so many trials more.
    Kept { polls: bool, left: u32 },
}

/// The contest, fed with what happens.
#[derive(Debug, Clone)]
pub struct Contest {
    phase: Phase,
    /// Events of this trial so far.
    events: u32,
    /// When it began, and when the last event was.
    began: u64,
    last: u64,
}

impl Contest {
    /// A contest that begins at `now`, in nanoseconds.
    #[must_use]
    pub const fn new(now: u64) -> Self {
        Self { phase: Phase::Waiting, events: 0, began: now, last: now }
    }

    /// Events were found.
    pub fn found(&mut self, events: u32, now: u64) {
        self.last = now;
        self.events += events;
        if self.events < TRIAL {
            return;
        }
        let each = (now - self.began) / u64::from(self.events);
        self.phase = match self.phase {
            _ if each > IDLE => Phase::Waiting,
            Phase::Waiting => Phase::Polling(each),
            Phase::Polling(waiting) => Phase::Kept { polls: each < waiting, left: KEPT },
            Phase::Kept { left: 0, .. } => Phase::Waiting,
            Phase::Kept { polls, left } => Phase::Kept { polls, left: left - 1 },
        };
        (self.events, self.began) = (0, now);
    }

    /// Whether to look again at once, rather than to wait for an interrupt.
    #[must_use]
    pub fn polls(&self, now: u64) -> bool {
        matches!(self.phase, Phase::Polling(_) | Phase::Kept { polls: true, .. }) && now - self.last < PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of 100 trials, the share in which it polled, when events take so long each.
    fn share(waiting: u64, polling: u64) -> u32 {
        let mut contest = Contest::new(0);
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
    fn without_load_it_waits() {
        assert_eq!(share(2_000_000, 2_000_000), 0);
        let mut contest = Contest::new(0);
        (1..=2 * u64::from(TRIAL)).for_each(|event| contest.found(1, event * 1000));
        assert!(!contest.polls(10_000_000), "long after the last event");
    }
}
