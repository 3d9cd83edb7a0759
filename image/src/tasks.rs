//! Spawning tasks of any type, any number of them; and how much of the time there is nothing for them to do.

use alloc::boxed::Box;
use core::sync::atomic::{AtomicU64, Ordering};

use embassy_executor::Spawner;
use embassy_executor::raw::TaskStorage;

/// Starts a task. Its memory comes from the heap and is never given back, so tasks are started at boot and run
/// for as long as the machine does.
pub fn spawn<F: Future + 'static>(spawner: Spawner, future: F) {
    let storage = Box::leak(Box::new(TaskStorage::new()));
    // It can only fail for a storage that is in use, and this one is new.
    if let Ok(token) = storage.spawn(|| future) {
        spawner.spawn(token);
    }
}

static IDLE: AtomicU64 = AtomicU64::new(0);

/// Counts nanoseconds that the CPU was halted. For the executor.
pub fn add_idle(nanoseconds: u64) {
    IDLE.fetch_add(nanoseconds, Ordering::Relaxed);
}

/// Nanoseconds that the CPU was halted since it was brought up; interrupt handlers that ended a halt included.
pub fn idle() -> u64 {
    IDLE.load(Ordering::Relaxed)
}
