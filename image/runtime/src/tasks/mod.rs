//! Tasks, on this CPU and on others, groups of tasks, cancellation, and the time that the CPU was idle.

mod cancellation;
mod cpus;
mod group;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};

use embassy_executor::Spawner;
use embassy_executor::raw::{AvailableTask, TaskStorage};

use crate::hal;

pub use cancellation::Cancellation;
pub use cpus::{Remote, add_executor};
use group::MemberTask;
pub use group::TaskGroup;
pub use switchboard::interrupt::Cpu;

/// The future of a task, of whatever type, which counts as running.
struct Task {
    work: Work,
    running: &'static Cell<usize>,
}

/// Members of groups are apart, as each layer of boxes costs a task some dozen instructions in each poll.
enum Work {
    Alone(Pin<Box<dyn Future<Output = ()>>>),
    Member(MemberTask),
}

impl Future for Task {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let poll = match &mut self.work {
            Work::Alone(work) => work.as_mut().poll(context),
            Work::Member(member) => member.poll(context),
        };
        if poll.is_ready() {
            self.running.set(self.running.get() - 1);
        }
        poll
    }
}

/// Task storages beyond those of running tasks. The storage of a task that has ended stays in use for a moment when a late
/// wake-up, by a timer for example, has queued it again.
const SPARE_STORAGES: usize = 8;

/// Starts tasks: any number, with futures of any type.
///
/// A task's future is freed when it ends. The executor's header of the task is not, because wakers may still point to it:
/// it is reused for a later task. So the number of headers is the greatest number of tasks that ever ran at once, and a
/// few more.
///
/// ```standalone_crate
/// use std::cell::Cell;
/// use std::rc::Rc;
/// use switchboard_runtime::tasks::Tasks;
///
/// # #[unsafe(export_name = "__pender")]
/// # fn pender(_context: *mut ()) {}
/// # let executor: &'static _ = Box::leak(Box::new(embassy_executor::raw::Executor::new(core::ptr::null_mut())));
/// # let poll = || unsafe { executor.poll() };
/// let tasks = Tasks::new(executor.spawner());
/// let sum = Rc::new(Cell::new(0));
/// for number in 1..=4 {
///     let sum = sum.clone();
///     tasks.spawn(async move { sum.set(sum.get() + number) });
/// }
/// poll();
/// assert_eq!((sum.get(), tasks.running()), (10, 0));
/// ```
#[derive(Clone, Copy)]
pub struct Tasks {
    spawner: Spawner,
    pool: &'static TaskPool,
}

/// The task storages, which are reused and never freed.
#[derive(Default)]
struct TaskPool {
    storages: RefCell<Vec<&'static TaskStorage<Task>>>,
    running: Cell<usize>,
}

impl Tasks {
    /// Makes the pool of an executor's tasks. Made once, at boot, and copied from then on.
    #[must_use]
    pub fn new(spawner: Spawner) -> Self {
        Self { spawner, pool: Box::leak(Box::default()) }
    }

    /// Returns the number of tasks that have not ended.
    #[must_use]
    pub fn running(self) -> usize {
        self.pool.running.get()
    }

    /// Starts a task.
    pub fn spawn(self, future: impl Future<Output = ()> + 'static) {
        self.start(Work::Alone(Box::pin(future)));
    }

    fn start(self, work: Work) {
        let TaskPool { storages, running } = self.pool;
        running.set(running.get() + 1);
        let mut storages = storages.borrow_mut();
        let mut idle = storages.iter().find_map(|storage| AvailableTask::claim(storage));
        while idle.is_none() || storages.len() < running.get() + SPARE_STORAGES {
            let storage = Box::leak(Box::new(TaskStorage::new()));
            storages.push(storage);
            idle = idle.or_else(|| AvailableTask::claim(storage));
        }
        // Always `Some`: a new storage is free.
        if let Some(task) = idle {
            self.spawner.spawn(task.initialize(|| Task { work, running }));
        }
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks").field("running", &self.pool.running.get()).finish_non_exhaustive()
    }
}

/// Returns for how many nanoseconds the CPU was halted since boot, with the interrupt handlers that ended each halt; zero
/// where no [machine](crate::hal) is installed.
///
/// ```
/// assert_eq!(switchboard_runtime::tasks::idle_ns(), 0, "in a test without a machine");
/// ```
#[must_use]
pub fn idle_ns() -> u64 {
    hal::get().map_or(0, |hal| hal.idle_ns())
}
