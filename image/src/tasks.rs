//! Spawning tasks of any type, any number of them.

use alloc::boxed::Box;

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
