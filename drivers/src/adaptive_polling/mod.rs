//! Adaptive polling, as in Linux's NAPI, decided by measurement: a device is polled while that is faster than its
//! interrupts.
//!
//! Polling saves the interrupt and the halt, and takes the CPU from other tasks and programs, of which one may be the peer
//! that is waited for. Which of the two weighs more is not known in advance. So both are tried, in turns, on the load that
//! there is, and the faster one is kept for a while, for longer each time that it turns out faster again.
//!
//! ```
//! use switchboard_drivers::adaptive_polling::AdaptivePolling;
//!
//! // Nothing has happened yet: wait for an interrupt.
//! let mut polling = AdaptivePolling::new(0, 4_000_000);
//! assert!(polling.is_enabled() && !polling.should_poll(1_000));
//! // Each look at the device that finds something is reported, with the time in nanoseconds.
//! polling.found(3, 2_000);
//! // Without a budget a device is never polled.
//! assert!(!AdaptivePolling::new(0, 0).is_enabled());
//! ```

/// Events in a trial: so many that it lasts longer than a host's scheduler lets one of two wait.
const TRIAL: u32 = 512;
/// Events before the first trial of another way that are not counted: a host that runs the devices moves its threads to
/// other CPUs when what they do changes, and until then the new way is slower than either.
const WARM_UP: u32 = 128;
/// Trials for which a way is kept when it has turned out better. Noise may decide once, so at first that is short.
const FEW: u32 = 2;
const MANY: u32 = 64;
/// Nanoseconds between events beyond which there is no load to speak of, and nothing to win.
const IDLE: u64 = 1_000_000;
/// Nanoseconds without an event after which a trial begins anew.
const PAUSE: u64 = 20_000_000;
/// When a trial is lost that may last for as long as it takes.
const NEVER: u64 = u64::MAX;

/// How events are learned of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Interrupts,
    Polling,
}

impl Way {
    const fn other(self) -> Self {
        match self {
            Self::Interrupts => Self::Polling,
            Self::Polling => Self::Interrupts,
        }
    }
}

/// Decides between polling and interrupts, from what is found and when.
#[derive(Debug, Clone)]
pub struct AdaptivePolling {
    /// How long after an event the device may be polled for the next one; 0 for never.
    poll_budget_ns: u64,
    /// The way in use, and for how many trials more; none when it is on trial.
    way: Way,
    left: Option<u32>,
    /// What was kept the last time, and for how many trials.
    winner: Way,
    kept: u32,
    /// Nanoseconds that an event took each way, in its last trial; none before that.
    by_interrupt: u64,
    by_polling: Option<u64>,
    /// The rest is of the trial under way. Events that are still passed over.
    warming: u32,
    /// Events, and looks that found some.
    events: u32,
    looks: u32,
    /// When it began, when it is lost at the latest, and when the last event was.
    began: u64,
    lost: u64,
    last: u64,
}

impl AdaptivePolling {
    /// Makes one that begins at `now`, in nanoseconds. When nothing has happened for `poll_budget_ns`, interrupts are waited
    /// for; with 0 they always are.
    #[must_use]
    pub const fn new(now: u64, poll_budget_ns: u64) -> Self {
        Self {
            poll_budget_ns,
            way: Way::Interrupts,
            left: None,
            winner: Way::Interrupts,
            kept: 0,
            by_interrupt: 0,
            by_polling: None,
            warming: WARM_UP,
            events: 0,
            looks: 0,
            began: now,
            lost: NEVER,
            last: now,
        }
    }

    /// Returns whether polling is a choice at all; where it is not, [`found`](Self::found) need not be called.
    #[inline]
    #[must_use]
    pub const fn is_enabled(&self) -> bool {
        self.poll_budget_ns > 0
    }

    /// Takes note of events that were found by one look at the device.
    #[inline]
    pub fn found(&mut self, events: u32, now: u64) {
        self.events += events;
        self.looks += 1;
        let last = core::mem::replace(&mut self.last, now);
        if now - last > PAUSE || self.events >= TRIAL || now > self.lost {
            self.end(last, now);
        } else if self.warming > 0 && self.events >= self.warming {
            (self.warming, self.events, self.looks, self.began) = (0, 0, 0, now);
        }
    }

    /// Returns whether to look again at once, rather than to wait for an interrupt.
    #[inline]
    #[must_use]
    pub fn should_poll(&self, now: u64) -> bool {
        self.way == Way::Polling && now - self.last < self.poll_budget_ns
    }

    /// The end of a trial, or of a part of one before a pause.
    #[cold]
    fn end(&mut self, last: u64, now: u64) {
        let way = self.way;
        if now - last <= PAUSE {
            self.judge((now - self.began) / u64::from(self.events), now > self.lost);
        } else {
            // What comes now may be another load.
            (self.kept, self.left) = (0, self.left.map(|left| left.min(FEW)));
        }
        self.warming = if self.way == way { 0 } else { WARM_UP };
        let most = match (self.way, self.left, self.by_polling) {
            (Way::Polling, ..) => Some(three_quarters(self.by_interrupt)),
            (Way::Interrupts, None, Some(other)) => Some(other + other / 3),
            (Way::Interrupts, ..) => None,
        };
        self.lost = most.map_or(NEVER, |most| now + most * u64::from(self.warming + TRIAL));
        (self.events, self.looks, self.began) = (0, 0, now);
    }

    /// A trial is over, in which an event took `each` nanoseconds; or has become so long that it is lost.
    fn judge(&mut self, each: u64, is_lost: bool) {
        // Several share an interrupt already, and there is little to save.
        let is_crowd = self.way == Way::Interrupts && self.events > self.looks + self.looks / 4;
        if is_crowd || each > IDLE && !is_lost {
            // Nothing to try, until the load is another.
            (self.way, self.left, self.by_polling, self.kept) = (Way::Interrupts, None, None, 0);
            return;
        }
        match self.way {
            Way::Interrupts => self.by_interrupt = each,
            Way::Polling => self.by_polling = Some(each),
        }
        // By a quarter at least: polling takes the CPU from others, and what is measured varies.
        let polling_wins = self.by_polling.map(|each| each <= three_quarters(self.by_interrupt));
        match (self.way, self.left) {
            (Way::Interrupts, None) if is_lost => self.keep(Way::Polling),
            (Way::Polling, _) if is_lost || polling_wins == Some(false) => self.keep(Way::Interrupts),
            (way, Some(0)) => self.try_out(way.other()),
            (_, Some(left)) => self.left = Some(left - 1),
            (_, None) => match polling_wins {
                None => self.try_out(Way::Polling),
                Some(true) => self.keep(Way::Polling),
                Some(false) => self.keep(Way::Interrupts),
            },
        }
    }

    fn try_out(&mut self, way: Way) {
        (self.way, self.left) = (way, None);
    }

    /// Keeps a way that was better.
    fn keep(&mut self, way: Way) {
        self.kept = if self.winner == way { (self.kept * 2).clamp(FEW, MANY) } else { FEW };
        (self.winner, self.way, self.left) = (way, way, Some(self.kept));
    }
}

const fn three_quarters(value: u64) -> u64 {
    value - value / 4
}

#[cfg(test)]
mod tests {
    use core::cell::Cell;

    use super::*;

    /// Of 100 trials, the share in which it polled, when events take what `cost` says: whether it is polled, and since how
    /// many of them.
    fn share(cost: impl Fn(bool, u32) -> u64) -> u32 {
        let mut polling = AdaptivePolling::new(0, 300_000);
        let (mut now, mut polled, mut since) = (0, 0, 0);
        for _ in 0..100 * TRIAL {
            let polls = polling.should_poll(now);
            since = if polls { since + 1 } else { 0 };
            polled += u32::from(polls);
            now += cost(polls, since);
            polling.found(1, now);
        }
        polled / TRIAL
    }

    fn constant(by_interrupt: u64, by_polling: u64) -> impl Fn(bool, u32) -> u64 {
        move |polls, _| if polls { by_polling } else { by_interrupt }
    }

    #[test]
    fn the_faster_way_is_kept() {
        assert!(share(constant(100_000, 30_000)) > 90);
        assert!(share(constant(40_000, 90_000)) < 10);
    }

    #[test]
    fn polling_that_has_become_slow_is_given_up_at_once() {
        let mut polling = AdaptivePolling::new(0, 300_000);
        let mut now = 0;
        let mut events = |polling: &mut AdaptivePolling, count: u32, by_polling: u64| {
            let mut polled = 0;
            for _ in 0..count {
                let polls = polling.should_poll(now);
                polled += u32::from(polls);
                now += if polls { by_polling } else { 100_000 };
                polling.found(1, now);
            }
            polled
        };
        assert!(events(&mut polling, 4 * TRIAL, 30_000) > 2 * TRIAL);
        assert!(events(&mut polling, 4 * TRIAL, 5_000_000) < 20);
    }

    #[test]
    fn a_stroke_of_bad_luck_decides_little() {
        for (polling, expected) in [(34_000, 0..10), (20_000, 80..101)] {
            let is_unlucky = Cell::new(true);
            let share = share(|polls, _| match polls {
                // The host takes its time, just when polling is tried for the first time.
                true if is_unlucky.take() => 15_000_000,
                true => polling,
                false => 40_000,
            });
            assert!(!is_unlucky.get() && expected.contains(&share), "{share}");
        }
    }

    #[test]
    fn threads_that_have_to_find_their_places_are_given_time_for_it() {
        assert!(share(|polls, since| if !polls || since < WARM_UP { 100_000 } else { 40_000 }) > 80);
    }

    #[test]
    fn what_comes_in_crowds_is_waited_for() {
        let mut polling = AdaptivePolling::new(0, 300_000);
        let mut now = 0;
        for _ in 0..100 * TRIAL {
            assert!(!polling.should_poll(now));
            now += 100_000;
            polling.found(2, now);
        }
    }

    #[test]
    fn who_comes_after_a_crowd_or_a_pause_does_not_wait_for_long() {
        for crowd in [2, 1] {
            let mut polling = AdaptivePolling::new(0, 300_000);
            let mut now = 0;
            // Polling is slower, as far as it is tried.
            for _ in 0..200 * TRIAL {
                now += if polling.should_poll(now) { 150_000 } else { 100_000 };
                polling.found(crowd, now);
            }
            if crowd == 1 {
                now += 2 * PAUSE;
            }
            let mut polled = 0;
            for _ in 0..10 * TRIAL {
                let polls = polling.should_poll(now);
                polled += u32::from(polls);
                now += if polls { 30_000 } else { 100_000 };
                polling.found(1, now);
            }
            assert!(polled > 3 * TRIAL, "{polled} after crowds of {crowd}");
        }
    }

    #[test]
    fn a_pause_is_no_part_of_a_trial() {
        let mut polling = AdaptivePolling::new(0, 300_000);
        let mut now = 0;
        for event in 0..10 * TRIAL {
            // A burst of fifty each second.
            now += if event % 50 == 0 { 1_000_000_000 } else { 100_000 };
            polling.found(1, now);
        }
        assert_eq!((polling.way, polling.left), (Way::Interrupts, None), "{polling:?}");
    }

    #[test]
    fn without_load_it_waits() {
        assert_eq!(share(constant(2_000_000, 2_000_000)), 0);
        let mut polling = AdaptivePolling::new(0, 300_000);
        (1..=2 * u64::from(TRIAL)).for_each(|event| polling.found(1, event * 1000));
        assert!(!polling.should_poll(10_000_000), "long after the last event");
    }
}
