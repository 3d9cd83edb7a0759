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
        // Most timers are timeouts that expire after the alarm: they need no walk over the queue and no access to the
        // local APIC.
        if timers.queue.schedule_wake(at, waker) && at < timers.alarm {
            timers.set_alarm(at);
        }
    }
}

impl Timers {
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

/// Wakes the tasks whose timers have expired, and sets the alarm for the next timer. Called by the timer's ISR.
fn wake_expired() {
    let timers = &mut *DRIVER.timers.lock();
    let next = timers.queue.next_expiration(DRIVER.now());
    timers.set_alarm(next);
}
