//! The watch over the time limits of disk requests.

use alloc::rc::Weak;

use embassy_time::Timer;

use crate::disk::SharedDriver;
use crate::tasks::Tasks;

/// Starts a task for each disk whose driver has time limits. Made by the image; code that has none of it, as tests, needs no timer.
#[derive(Debug, Clone, Copy)]
pub struct TimeoutWatch {
    tasks: Tasks,
    start: fn(Tasks, Weak<SharedDriver>, u64),
}

impl TimeoutWatch {
    pub(crate) fn new(tasks: Tasks) -> Self {
        Self { tasks, start: |tasks, driver, interval_ns| tasks.spawn(watch(driver, interval_ns)) }
    }

    pub(crate) fn start(self, driver: Weak<SharedDriver>, interval_ns: u64) {
        (self.start)(self.tasks, driver, interval_ns);
    }
}

/// Checks the time limits of a disk's requests until it is removed.
async fn watch(driver: Weak<SharedDriver>, mut interval_ns: u64) {
    loop {
        Timer::after_nanos(interval_ns).await;
        let Some(driver) = driver.upgrade() else { return };
        let next_ns = driver.borrow().as_ref().and_then(|driver| driver.check_timeouts());
        match next_ns {
            Some(next_ns) => interval_ns = next_ns,
            None => return,
        }
    }
}
