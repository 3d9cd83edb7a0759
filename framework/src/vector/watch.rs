//! The watch of one registered handler: whether its interrupts arrive, and whether its device finishes requests.
//!
//! Something pending at two looks, 50 ms apart, without a call of the handler in between, is suspicious: the interrupt was
//! lost, or the task that it woke does not take it. To find out which, the handler is called by software. If what was pending is taken
//! then, the interrupt had not arrived; if not, nothing was lost. Two that did not arrive, with none in between that did, mean
//! that none arrives, and the handler is called at short intervals from then on. A single one may have been late: the thread of
//! a device that a busy host emulates waits at any place.

use super::activity::Activity;

/// The interval between looks at a handler whose interrupts arrive.
pub(crate) const LOOK_INTERVAL_NS: u64 = 1_000_000_000;
/// The time after which something that was pending is looked at again. An interrupt takes microseconds, and all tasks that were woken
/// have run by then. It is short because other timers of a driver's task may make it look at the device, too.
const PENDING_INTERVAL_NS: u64 = 50_000_000;
/// The interval at which a handler is called whose interrupts do not arrive.
pub(crate) const POLL_INTERVAL_NS: u64 = 10_000_000;
/// Interrupts after which a device is no longer polled. A single one may be another function's on the same line.
const ARRIVED: u64 = 3;
/// Looks at which the registers of a device read all ones after which it does not respond. A device that is being reset or woken up
/// may not respond for a moment.
const UNRESPONSIVE_LOOKS: u8 = 2;
/// Looks without any progress after which requests are reported as stalled.
const STALLED_LOOKS: u8 = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing was pending at the last look.
    Idle,
    /// This was pending at the last look.
    Pending { position: u32 },
    /// The handler was called for this, to see whether it is taken.
    Called { position: u32, is_second: bool },
    /// This is pending for another reason than a lost interrupt.
    Unserved { position: u32 },
    /// Interrupts do not arrive: the handler is called while something is pending.
    Polled,
}

/// What a look found, to be logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WatchEvent {
    /// Interrupts do not arrive.
    Lost,
    /// Interrupts arrive again.
    Arrived,
    /// No request was finished for this number of seconds.
    Stalled { outstanding: u32, seconds: u8 },
    /// Requests that were stalled go on.
    Resumed,
}

/// The result of a look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Look {
    /// The handler is to be called.
    pub(crate) is_call: bool,
    pub(crate) interrupt: Option<WatchEvent>,
    pub(crate) requests: Option<WatchEvent>,
    /// It is time to check that the function is present.
    pub(crate) is_presence_due: bool,
    /// The registers of the device have read all ones at several looks.
    pub(crate) is_unresponsive: bool,
}

/// What is reported of a handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WatchReport {
    /// Interrupts do not arrive.
    pub(crate) is_polled: bool,
    /// How often the handler was called in place of an interrupt.
    pub(crate) polled: u64,
    /// The number of requests in flight, if none was finished for long.
    pub(crate) stalled: Option<u32>,
}

/// The state of the watch of one handler.
#[derive(Debug)]
pub(crate) struct HandlerWatch {
    stage: Stage,
    /// Claimed calls at the last look.
    calls: u64,
    /// The last look called the handler.
    made: bool,
    /// Claimed calls after one by software served an interrupt that did not arrive.
    served: Option<u64>,
    /// Calls that were made by interrupts while the device was polled.
    arrived: u64,
    due_ns: u64,
    polled: u64,
    finished: u32,
    unresponsive_looks: u8,
    stalled_looks: u8,
    outstanding: u32,
}

impl HandlerWatch {
    pub(crate) const fn new() -> Self {
        Self {
            stage: Stage::Idle,
            calls: 0,
            made: false,
            served: None,
            arrived: 0,
            due_ns: 0,
            polled: 0,
            finished: 0,
            unresponsive_looks: 0,
            stalled_looks: 0,
            outstanding: 0,
        }
    }

    /// Returns when the next look is due.
    pub(crate) fn due_ns(&self) -> u64 {
        self.due_ns
    }

    /// Returns what is reported of the handler.
    pub(crate) fn report(&self) -> WatchReport {
        WatchReport { is_polled: self.stage == Stage::Polled, polled: self.polled, stalled: self.stalled() }
    }

    /// Returns the number of requests in flight if none was finished for long.
    fn stalled(&self) -> Option<u32> {
        (self.stalled_looks >= STALLED_LOOKS).then_some(self.outstanding)
    }

    /// Looks at the handler, which has claimed `calls` interrupts.
    pub(crate) fn look(&mut self, now_ns: u64, activity: Activity, calls: u64) -> Look {
        let is_called = calls > self.calls;
        let is_second = self.interval_ns() == LOOK_INTERVAL_NS;
        // The driver has used the device right before the first look.
        let is_presence_due = is_second && self.due_ns != 0;
        let looks = if activity.is_unresponsive() { self.unresponsive_looks.saturating_add(1) } else { 0 };
        self.unresponsive_looks = looks;
        let requests = if is_second { self.look_at_requests(activity, is_called) } else { None };
        let (is_call, interrupt) = self.look_at_interrupt(activity.pending(), calls);
        self.due_ns = now_ns.saturating_add(self.interval_ns());
        (self.calls, self.made) = (calls, is_call);
        if is_call {
            self.polled += 1;
        }
        Look { is_call, interrupt, requests, is_presence_due, is_unresponsive: looks == UNRESPONSIVE_LOOKS }
    }

    /// Returns the time until the next look.
    fn interval_ns(&self) -> u64 {
        match self.stage {
            _ if (1..UNRESPONSIVE_LOOKS).contains(&self.unresponsive_looks) => PENDING_INTERVAL_NS,
            Stage::Idle | Stage::Unserved { .. } => LOOK_INTERVAL_NS,
            Stage::Pending { .. } => PENDING_INTERVAL_NS,
            Stage::Called { .. } | Stage::Polled => POLL_INTERVAL_NS,
        }
    }

    fn look_at_interrupt(&mut self, pending: Option<u32>, calls: u64) -> (bool, Option<WatchEvent>) {
        let at_pending = pending.map_or(Stage::Idle, |position| Stage::Pending { position });
        match (self.stage, pending) {
            (Stage::Pending { position }, Some(now)) if now == position && calls == self.calls => {
                self.stage = Stage::Called { position, is_second: self.served == Some(calls) };
                return (true, None);
            }
            (Stage::Called { position, .. }, Some(now)) if now == position => self.stage = Stage::Unserved { position },
            (Stage::Called { is_second: false, .. }, _) => (self.stage, self.served) = (at_pending, Some(calls)),
            (Stage::Called { .. }, _) => {
                (self.stage, self.arrived) = (Stage::Polled, 0);
                return (pending.is_some(), Some(WatchEvent::Lost));
            }
            (Stage::Unserved { position }, Some(now)) if now == position => {}
            (Stage::Polled, _) => return self.poll(pending, calls),
            _ => self.stage = at_pending,
        }
        (false, None)
    }

    fn poll(&mut self, pending: Option<u32>, calls: u64) -> (bool, Option<WatchEvent>) {
        self.arrived += calls.saturating_sub(self.calls).saturating_sub(self.made.into());
        if self.arrived >= ARRIVED {
            self.stage = Stage::Idle;
            return (false, Some(WatchEvent::Arrived));
        }
        (pending.is_some(), None)
    }

    fn look_at_requests(&mut self, activity: Activity, is_called: bool) -> Option<WatchEvent> {
        let (outstanding, finished) = activity.requests();
        let was_stalled = self.stalled().is_some();
        // With something pending, the device has finished requests; that the driver has not taken them is another matter.
        let is_moving = outstanding == 0
            || self.outstanding == 0
            || finished != self.finished
            || is_called
            || activity.pending().is_some();
        (self.finished, self.outstanding) = (finished, outstanding);
        self.stalled_looks = if is_moving { 0 } else { self.stalled_looks.saturating_add(1) };
        match (was_stalled, self.stalled()) {
            (false, Some(outstanding)) => Some(WatchEvent::Stalled { outstanding, seconds: self.stalled_looks }),
            (true, None) => Some(WatchEvent::Resumed),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    const fn pending(position: u32) -> Activity {
        Activity::pending_at(position)
    }

    /// Looks once for each element: activity, and calls so far. Returns what is called, and the events.
    fn looks(watch: &mut HandlerWatch, at: &[(Activity, u64)]) -> Vec<(bool, Option<WatchEvent>)> {
        let look = |(activity, calls): &(Activity, u64)| {
            let look = watch.look(watch.due_ns(), *activity, *calls);
            (look.is_call, look.interrupt.or(look.requests))
        };
        at.iter().map(look).collect()
    }

    #[test]
    fn an_interrupt_that_is_late_is_not_lost() {
        let mut watch = HandlerWatch::new();
        // Pending, then served; pending at another position each time; called meanwhile.
        let at = [(pending(1), 0), (Activity::IDLE, 1), (pending(2), 1), (pending(3), 1), (pending(3), 2)];
        assert!(looks(&mut watch, &at).iter().all(|found| *found == (false, None)));
        assert!(!watch.report().is_polled);
    }

    #[test]
    fn what_is_taken_after_a_call_by_software_was_lost() {
        let mut watch = HandlerWatch::new();
        let found = looks(&mut watch, &[(pending(7), 4), (pending(7), 4), (pending(8), 5)]);
        assert_eq!(found, [(false, None), (true, None), (false, None)]);
        assert!(!watch.report().is_polled, "it may have been late");
        let found = looks(&mut watch, &[(pending(8), 5), (pending(9), 6), (Activity::IDLE, 7)]);
        assert_eq!(found, [(true, None), (true, Some(WatchEvent::Lost)), (false, None)]);
        assert!(watch.report().is_polled);
        assert_eq!(watch.report().polled, 3);
        assert_eq!(watch.due_ns(), 2 * PENDING_INTERVAL_NS + 4 * POLL_INTERVAL_NS);
    }

    #[test]
    fn interrupts_that_are_late_now_and_then_are_not_lost() {
        let mut watch = HandlerWatch::new();
        let late = |calls| [(pending(7), calls), (pending(7), calls), (Activity::IDLE, calls + 1)];
        for calls in [4, 6, 8] {
            looks(&mut watch, &late(calls));
        }
        assert_eq!((watch.report().is_polled, watch.report().polled), (false, 3));
    }

    #[test]
    fn what_is_not_taken_after_a_call_is_its_tasks_matter() {
        let mut watch = HandlerWatch::new();
        let found =
            looks(&mut watch, &[(pending(7), 4), (pending(7), 4), (pending(7), 5), (pending(7), 5), (pending(7), 5)]);
        assert_eq!(found, [(false, None), (true, None), (false, None), (false, None), (false, None)]);
        assert_eq!((watch.report().is_polled, watch.report().polled), (false, 1));
    }

    #[test]
    fn interrupts_that_arrive_again_end_the_polling() {
        let mut watch = HandlerWatch::new();
        looks(&mut watch, &[(pending(7), 0), (pending(7), 0), (pending(8), 1), (pending(8), 1), (Activity::IDLE, 2)]);
        let found = looks(&mut watch, &[(Activity::IDLE, 2), (Activity::IDLE, 3), (Activity::IDLE, 5)]);
        assert_eq!(found, [(false, None), (false, None), (false, Some(WatchEvent::Arrived))]);
        assert!(!watch.report().is_polled);
    }

    #[test]
    fn requests_without_progress_are_stalled_after_five_looks() {
        let mut watch = HandlerWatch::new();
        let flight = Activity::IDLE.with_requests(2, 9);
        let found = looks(&mut watch, &[(flight, 3), (flight, 3), (flight, 3), (flight, 3), (flight, 3)]);
        assert!(found.iter().all(|found| *found == (false, None)));
        let stalled = Some(WatchEvent::Stalled { outstanding: 2, seconds: 5 });
        assert_eq!(looks(&mut watch, &[(flight, 3), (flight, 3)]), [(false, stalled), (false, None)]);
        assert_eq!(watch.stalled(), Some(2));
        let done = Activity::IDLE.with_requests(0, 11);
        assert_eq!(looks(&mut watch, &[(done, 3)]), [(false, Some(WatchEvent::Resumed))]);
        assert_eq!(watch.stalled(), None);
    }

    #[test]
    fn a_device_whose_registers_read_ones_twice_does_not_respond() {
        let mut watch = HandlerWatch::new();
        let mut look = |activity| watch.look(watch.due_ns(), activity, 0).is_unresponsive;
        let ones = Activity::UNRESPONSIVE;
        assert_eq!([ones, Activity::IDLE, ones, ones, ones].map(&mut look), [false, false, false, true, false]);
        assert_eq!(watch.due_ns(), 2 * PENDING_INTERVAL_NS + 3 * LOOK_INTERVAL_NS);
    }

    #[test]
    fn the_presence_is_checked_each_second() {
        let mut watch = HandlerWatch::new();
        let mut look = |activity| watch.look(watch.due_ns(), activity, 0).is_presence_due;
        let activities = [Activity::IDLE, Activity::IDLE, pending(3), pending(3), pending(3), pending(3)];
        assert_eq!(activities.map(&mut look), [false, true, true, false, false, true]);
    }

    #[test]
    fn a_device_that_finishes_one_request_after_the_other_is_not_stalled() {
        let mut watch = HandlerWatch::new();
        let at = |index: u32| (Activity::IDLE.with_requests(1, index), u64::from(index));
        assert!(looks(&mut watch, &(0..20).map(at).collect::<Vec<_>>()).iter().all(|found| *found == (false, None)));
        // A register that only shows that the device is busy.
        let busy = |calls| (Activity::IDLE.with_requests(1, 0), calls);
        assert!(looks(&mut watch, &(20..40).map(busy).collect::<Vec<_>>()).iter().all(|found| *found == (false, None)));
    }
}
