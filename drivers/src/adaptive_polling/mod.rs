//! Adaptive polling, as in NAPI of Linux, decided by measurement: a device is polled while that is faster than its interrupts.
//!
//! Polling saves the interrupt and the halt, and takes the CPU from other tasks and from other programs of the host, of which
//! one may be the peer whose answer is awaited. Which of the two costs more depends on the load. So the load is measured in
//! trials of a fixed number of events, by turns with interrupts and with polling. The faster strategy is kept for a number of
//! trials, which doubles each time that it wins again.
//!
//! ```
//! use switchboard_drivers::adaptive_polling::AdaptivePolling;
//!
//! // Nothing has happened yet: wait for an interrupt.
//! let mut polling = AdaptivePolling::new(0, 4_000_000);
//! assert!(polling.is_enabled() && !polling.should_poll(1_000));
//! // Each look at the device that finds events is reported, with the time in nanoseconds.
//! polling.found(3, 2_000);
//! // Without a budget a device is never polled.
//! assert!(!AdaptivePolling::new(0, 0).is_enabled());
//! ```
//!
//! On a load that polling serves faster, it is chosen after a few trials:
//!
//! ```
//! use switchboard_drivers::adaptive_polling::AdaptivePolling;
//!
//! let mut polling = AdaptivePolling::new(0, 300_000);
//! let mut now_ns = 0;
//! let mut polled = 0;
//! for _ in 0..20_000 {
//!     let is_polled = polling.should_poll(now_ns);
//!     polled += u32::from(is_polled);
//!     // An event takes 100 us by interrupt, and 30 us by polling.
//!     now_ns += if is_polled { 30_000 } else { 100_000 };
//!     polling.found(1, now_ns);
//! }
//! assert!(polled > 15_000, "{polled} of 20,000 events were found by polling");
//! ```

#[cfg(test)]
mod tests;

/// Events in a trial: enough for it to last longer than a time slice of the host's scheduler.
const TRIAL_EVENTS: u32 = 512;
/// Events after a change of strategy that are not measured: the host moves the threads of its devices to other CPUs when their
/// load changes, and until it has done so both strategies are slow.
const WARM_UP_EVENTS: u32 = 128;
/// The fewest trials for which a winner is kept: a first win may be noise.
const MIN_KEPT_TRIALS: u32 = 2;
/// The most trials for which a winner is kept.
const MAX_KEPT_TRIALS: u32 = 64;
/// The time per event above which the device counts as idle, and polling cannot win anything.
const IDLE_NS: u64 = 1_000_000;
/// The time without an event after which a trial is started again.
const PAUSE_NS: u64 = 20_000_000;
/// The deadline of a trial without one.
const NO_DEADLINE: u64 = u64::MAX;

/// How the driver learns of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strategy {
    Interrupts,
    Polling,
}

impl Strategy {
    const fn other(self) -> Self {
        match self {
            Self::Interrupts => Self::Polling,
            Self::Polling => Self::Interrupts,
        }
    }
}

/// Decides between polling and interrupts, from the number of events found and the time.
///
/// The examples of the [module](self) show its use.
#[derive(Debug, Clone)]
pub struct AdaptivePolling {
    /// How long after an event the device may be polled for the next one; 0 for never.
    poll_budget_ns: u64,
    /// The strategy in use.
    strategy: Strategy,
    /// The trials for which it is still kept, or `None` while it is on trial.
    trials_left: Option<u32>,
    /// The strategy that was kept the last time, and for how many trials.
    winner: Strategy,
    kept_trials: u32,
    /// Nanoseconds per event by interrupt in the last trial, or 0 before the first.
    interrupt_ns: u64,
    /// Nanoseconds per event by polling in the last trial, or `None` before the first.
    polling_ns: Option<u64>,
    /// Events of the trial under way that are not measured. The fields below are of this trial too.
    warm_up: u32,
    /// Events found, and calls that found them.
    events: u32,
    calls: u32,
    /// When the trial began, when the strategy loses it at the latest, and when the last event was found, in nanoseconds.
    started_ns: u64,
    deadline_ns: u64,
    last_ns: u64,
}

impl AdaptivePolling {
    /// Creates a decision that starts with interrupts at `now_ns`. A device without an event for `poll_budget_ns` is not polled
    /// any longer; with 0 it is never polled.
    #[must_use]
    pub const fn new(now_ns: u64, poll_budget_ns: u64) -> Self {
        Self {
            poll_budget_ns,
            strategy: Strategy::Interrupts,
            trials_left: None,
            winner: Strategy::Interrupts,
            kept_trials: 0,
            interrupt_ns: 0,
            polling_ns: None,
            warm_up: WARM_UP_EVENTS,
            events: 0,
            calls: 0,
            started_ns: now_ns,
            deadline_ns: NO_DEADLINE,
            last_ns: now_ns,
        }
    }

    /// Returns whether polling is allowed. If not, [`found`](Self::found) need not be called.
    #[inline]
    #[must_use]
    pub const fn is_enabled(&self) -> bool {
        self.poll_budget_ns > 0
    }

    /// Records that one look at the device found `events` at `now_ns`.
    #[inline]
    pub fn found(&mut self, events: u32, now_ns: u64) {
        self.events += events;
        self.calls += 1;
        let last_ns = core::mem::replace(&mut self.last_ns, now_ns);
        if now_ns - last_ns > PAUSE_NS || self.events >= TRIAL_EVENTS || now_ns > self.deadline_ns {
            self.end_trial(last_ns, now_ns);
        } else if self.warm_up > 0 && self.events >= self.warm_up {
            (self.warm_up, self.events, self.calls, self.started_ns) = (0, 0, 0, now_ns);
        }
    }

    /// Returns whether to poll the device again at once, instead of waiting for an interrupt.
    #[inline]
    #[must_use]
    pub fn should_poll(&self, now_ns: u64) -> bool {
        self.strategy == Strategy::Polling && now_ns - self.last_ns < self.poll_budget_ns
    }

    /// Ends a trial that is complete, that missed its deadline, or that a pause has interrupted.
    #[cold]
    fn end_trial(&mut self, last_ns: u64, now_ns: u64) {
        let before = self.strategy;
        if now_ns - last_ns <= PAUSE_NS {
            self.judge((now_ns - self.started_ns) / u64::from(self.events), now_ns > self.deadline_ns);
        } else {
            // After a pause, the load may be a different one.
            (self.kept_trials, self.trials_left) = (0, self.trials_left.map(|left| left.min(MIN_KEPT_TRIALS)));
        }
        self.warm_up = if self.strategy == before { 0 } else { WARM_UP_EVENTS };
        let max_ns = match (self.strategy, self.trials_left, self.polling_ns) {
            (Strategy::Polling, ..) => Some(three_quarters(self.interrupt_ns)),
            (Strategy::Interrupts, None, Some(polling_ns)) => Some(polling_ns + polling_ns / 3),
            (Strategy::Interrupts, ..) => None,
        };
        self.deadline_ns = max_ns.map_or(NO_DEADLINE, |max| now_ns + max * u64::from(self.warm_up + TRIAL_EVENTS));
        (self.events, self.calls, self.started_ns) = (0, 0, now_ns);
    }

    /// Chooses the next strategy after a trial in which an event took `event_ns`, or which missed its deadline.
    fn judge(&mut self, event_ns: u64, is_late: bool) {
        // Where several events share an interrupt, polling saves little.
        let is_coalesced = self.strategy == Strategy::Interrupts && self.events > self.calls + self.calls / 4;
        if is_coalesced || event_ns > IDLE_NS && !is_late {
            // Interrupts, without a trial of polling, until the load changes.
            (self.strategy, self.trials_left, self.polling_ns, self.kept_trials) =
                (Strategy::Interrupts, None, None, 0);
            return;
        }
        match self.strategy {
            Strategy::Interrupts => self.interrupt_ns = event_ns,
            Strategy::Polling => self.polling_ns = Some(event_ns),
        }
        // By a quarter at least: polling takes the CPU from other tasks, and measurements vary.
        let polling_wins = self.polling_ns.map(|polling_ns| polling_ns <= three_quarters(self.interrupt_ns));
        match (self.strategy, self.trials_left) {
            (Strategy::Interrupts, None) if is_late => self.keep(Strategy::Polling),
            (Strategy::Polling, _) if is_late || polling_wins == Some(false) => self.keep(Strategy::Interrupts),
            (strategy, Some(0)) => self.try_out(strategy.other()),
            (_, Some(left)) => self.trials_left = Some(left - 1),
            (_, None) => match polling_wins {
                None => self.try_out(Strategy::Polling),
                Some(true) => self.keep(Strategy::Polling),
                Some(false) => self.keep(Strategy::Interrupts),
            },
        }
    }

    fn try_out(&mut self, strategy: Strategy) {
        (self.strategy, self.trials_left) = (strategy, None);
    }

    /// Keeps the strategy that won, twice as long as the last time if it wins again.
    fn keep(&mut self, strategy: Strategy) {
        self.kept_trials = match self.winner == strategy {
            true => (self.kept_trials * 2).clamp(MIN_KEPT_TRIALS, MAX_KEPT_TRIALS),
            false => MIN_KEPT_TRIALS,
        };
        (self.winner, self.strategy, self.trials_left) = (strategy, strategy, Some(self.kept_trials));
    }
}

const fn three_quarters(value: u64) -> u64 {
    value - value / 4
}
