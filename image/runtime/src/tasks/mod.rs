//! Tasks of any type, any number of them, that come and go; and how much of the time there is nothing for them to do.

mod cancellation;
mod group;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::pin::Pin;
use core::sync::atomic::{AtomicU64, Ordering};

use embassy_executor::Spawner;
use embassy_executor::raw::{AvailableTask, TaskStorage};

pub use cancellation::Cancellation;
pub use group::TaskGroup;

/// What a task does.
type Work = Pin<Box<dyn Future<Output = ()>>>;

/// Places for tasks beyond those that run. The place of one that has ended is taken for a moment longer when somebody
/// wakes it late, a timer for one.
const SPARE: usize = 8;

/// Starts tasks.
///
/// What a task works with goes back to the heap when it ends. The executor's own few words about it do not, since
/// wakers may still point there: they are used again for the next task that is started. So there are as many of those
/// as there ever were tasks at once, and a few to spare.
#[derive(Clone, Copy)]
pub struct Tasks {
    spawner: Spawner,
    places: &'static Places,
}

#[derive(Default)]
struct Places {
    storages: RefCell<Vec<&'static TaskStorage<Work>>>,
    running: Cell<usize>,
}

impl Tasks {
    /// Starts tasks on the executor of that spawner. One is made, at boot, and copied from then on.
    #[must_use]
    pub fn new(spawner: Spawner) -> Self {
        Self { spawner, places: Box::leak(Box::default()) }
    }

    /// Starts a task.
    pub fn spawn(self, future: impl Future<Output = ()> + 'static) {
        let Places { storages, running } = self.places;
        running.set(running.get() + 1);
        let work: Work = Box::pin(async {
            future.await;
            running.set(running.get() - 1);
        });
        let mut storages = storages.borrow_mut();
        let mut idle = storages.iter().find_map(|storage| AvailableTask::claim(storage));
        while idle.is_none() || storages.len() < running.get() + SPARE {
            let storage = Box::leak(Box::new(TaskStorage::new()));
            storages.push(storage);
            idle = idle.or_else(|| AvailableTask::claim(storage));
        }
        // There always is one: nobody else has a new storage.
        if let Some(task) = idle {
            self.spawner.spawn(task.initialize(|| work));
        }
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks").field("running", &self.places.running.get()).finish_non_exhaustive()
    }
}

static IDLE_NS: AtomicU64 = AtomicU64::new(0);

/// Counts nanoseconds that the CPU was halted. For the executor.
#[inline]
pub fn add_idle_ns(nanoseconds: u64) {
    IDLE_NS.fetch_add(nanoseconds, Ordering::Relaxed);
}

/// Nanoseconds that the CPU was halted since it was brought up; interrupt handlers that ended a halt included.
#[inline]
pub fn idle_ns() -> u64 {
    IDLE_NS.load(Ordering::Relaxed)
}
