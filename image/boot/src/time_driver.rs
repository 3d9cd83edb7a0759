//! The time driver of the executor: the machine's nanosecond clock, and one alarm for the earliest timer.

use core::task::Waker;

use embassy_time_driver::{Driver, TICK_HZ};
use embassy_time_queue_utils::Queue;
use switchboard::sync::IrqLock;
use switchboard_x86_64::{self as arch, timer};

/// The clock counts nanoseconds, and timers count ticks.
const NANOSECONDS_PER_TICK: u64 = 1_000_000_000 / TICK_HZ;

struct TimeDriver {
    timers: IrqLock<Timers>,
}

/// The pending timers. Times are in ticks since the clock was started.
///
/// # Invariants
/// The hardware alarm is set to `alarm`, which is no later than the earliest timer in `queue`.
struct Timers {
    queue: Queue,
    alarm: u64,
}

embassy_time_driver::time_driver_impl!(static DRIVER: TimeDriver = TimeDriver {
    timers: IrqLock::new(Timers { queue: Queue::new(), alarm: u64::MAX }),
});

impl Driver for TimeDriver {
    fn now(&self) -> u64 {
        arch::now_ns() / NANOSECONDS_PER_TICK
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        let timers = &mut *self.timers.lock();
        if timers.schedule(at, waker) || self.now() < timers.alarm {
            return;
        }
        // The queue has an earlier time for the task, and the alarm is overdue: its interrupt is still to come. It would
        // wake the task and take it from the queue, and this time would be lost.
        timers.wake_expired();
        timers.schedule(at, waker);
    }
}

impl Timers {
    /// Schedules a wake-up; returns `false` when the task has an earlier one, which stays.
    fn schedule(&mut self, at: u64, waker: &Waker) -> bool {
        let is_scheduled = self.queue.schedule_wake(at, waker);
        // Most timers are timeouts that expire after the alarm: they need no walk over the queue and no access to the
        // local APIC.
        if is_scheduled && at < self.alarm {
            self.set_alarm(at);
        }
        is_scheduled
    }

    /// Wakes the tasks whose timers have expired, and sets the alarm for the next timer.
    fn wake_expired(&mut self) {
        let next = self.queue.next_expiration(DRIVER.now());
        self.set_alarm(next);
    }

    fn set_alarm(&mut self, at: u64) {
        self.alarm = at;
        // `u64::MAX` means no timer, in ticks as well as in nanoseconds.
        timer::set_alarm_ns(at.saturating_mul(NANOSECONDS_PER_TICK));
    }
}

/// Registers for the alarm of the local APIC's timer.
pub(crate) fn start() {
    timer::on_alarm(wake_expired);
}

/// Serves the interrupt of the timer.
fn wake_expired() {
    DRIVER.timers.lock().wake_expired();
}
