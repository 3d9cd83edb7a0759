//! Time for tasks: the machine's nanosecond clock, and one alarm for the earliest of all timers.

use core::task::Waker;

use embassy_time_driver::{Driver, TICK_HZ};
use embassy_time_queue_utils::Queue;
use switchboard::sync::IrqLock;
use switchboard_x86_64::{self as arch, timer};

/// The clock counts nanoseconds, timers count ticks.
const NANOSECONDS_PER_TICK: u64 = 1_000_000_000 / TICK_HZ;

struct TimeDriver {
    timers: IrqLock<Timers>,
}

/// Times are in ticks since the clock's start.
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
        // Most timers are timeouts that lie behind the alarm: those cost no walk over the queue and no access
        // to the local APIC.
        if timers.queue.schedule_wake(at, waker) && at < timers.alarm {
            timers.set_alarm(at);
        }
    }
}

impl Timers {
    fn set_alarm(&mut self, at: u64) {
        self.alarm = at;
        // No timer is at the end of time, which is the timer's word for none, too.
        timer::set_alarm_ns(at.saturating_mul(NANOSECONDS_PER_TICK));
    }
}

/// Takes the alarm from now on.
pub(crate) fn start() {
    timer::on_alarm(wake_expired);
}

/// Wakes what is due and sets the alarm for what is next. Called by the timer's ISR.
fn wake_expired() {
    let timers = &mut *DRIVER.timers.lock();
    let next = timers.queue.next_expiration(DRIVER.now());
    timers.set_alarm(next);
}
