//! The time driver: time passes when a test advances it.

use core::cell::{Cell, RefCell};
use core::task::Waker;

/// A clock that counts microseconds, as `embassy-time` is configured to.
struct Clock;

std::thread_local! {
    /// Each test has a thread, and so a time of its own.
    static NOW_US: Cell<u64> = const { Cell::new(1) };
    static TIMERS: RefCell<Vec<(u64, Waker)>> = const { RefCell::new(Vec::new()) };
}

impl embassy_time_driver::Driver for Clock {
    fn now(&self) -> u64 {
        now_us()
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        TIMERS.with_borrow_mut(|timers| timers.push((at, waker.clone())));
    }
}

embassy_time_driver::time_driver_impl!(static CLOCK: Clock = Clock);

/// Returns the time of this thread, in microseconds.
pub(crate) fn now_us() -> u64 {
    NOW_US.get()
}

/// Advances the time of this thread, and wakes the tasks whose timers have expired.
pub(crate) fn advance_us(microseconds: u64) {
    NOW_US.set(NOW_US.get() + microseconds);
    let expired = TIMERS.with_borrow_mut(|timers| {
        let (expired, pending) = timers.drain(..).partition(|(at, _)| *at <= now_us());
        *timers = pending;
        expired
    });
    let expired: Vec<(u64, Waker)> = expired;
    expired.into_iter().for_each(|(_, waker)| waker.wake());
}
