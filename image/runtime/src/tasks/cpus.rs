//! Tasks on the other CPUs.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};

use embassy_executor::SendSpawner;
use embassy_executor::raw::{AvailableTask, TaskStorage};
use embassy_sync::waitqueue::AtomicWaker;
use switchboard::interrupt::Cpu;
use switchboard::sync::IrqLock;

use super::Tasks;

/// The future of a task of any CPU.
type RemoteFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The executors by the number of their CPU.
static EXECUTORS: IrqLock<Vec<SendSpawner>> = IrqLock::new(Vec::new());
/// The storages of tasks that were started here, which are reused and never freed.
static STORAGES: IrqLock<Vec<&'static TaskStorage<RemoteFuture>>> = IrqLock::new(Vec::new());

/// Adds the executor of the next CPU; the first call adds that of the boot CPU. Called by the code that boots an image.
pub fn add_executor(spawner: SendSpawner) {
    // Allocated outside of the lock, which disables interrupts.
    let mut grown = Vec::with_capacity(EXECUTORS.lock().len() + 1);
    let mut executors = EXECUTORS.lock();
    grown.extend_from_slice(&executors);
    grown.push(spawner);
    let old = core::mem::replace(&mut *executors, grown);
    drop(executors);
    drop(old);
}

impl Tasks {
    /// Starts a task on a CPU. Its future and its result move there and back, so both are `Send`.
    ///
    /// The returned future waits for the result; dropping it does not end the task. The stack of a CPU other than the boot CPU has
    /// 28 KiB, so what needs much belongs on the heap. In a host test, where no executor runs for the CPU, it is a task of this one.
    ///
    /// ```no_run
    /// # use switchboard_runtime::system::{Outcome, System};
    /// use switchboard_runtime::say;
    ///
    /// async fn sum(system: System) -> Outcome {
    ///     let cpus = system.machine.cpus();
    ///     let parts: Vec<_> = cpus.map(|cpu| system.tasks.spawn_on(cpu, async move { 1_u64 << cpu.number() })).collect();
    ///     let mut sum = 0;
    ///     for part in parts {
    ///         sum += part.await;
    ///     }
    ///     say!("{sum}");
    ///     Ok(())
    /// }
    /// ```
    ///
    /// State of this CPU alone cannot move there:
    ///
    /// ```compile_fail,E0277
    /// use std::cell::Cell;
    /// use std::rc::Rc;
    /// use switchboard_runtime::tasks::{Cpu, Tasks};
    ///
    /// fn count_on(tasks: Tasks, cpu: Cpu, counter: Rc<Cell<u32>>) {
    ///     let _ = tasks.spawn_on(cpu, async move { counter.set(1) });
    /// }
    /// ```
    pub fn spawn_on<T: Send + 'static>(self, cpu: Cpu, future: impl Future<Output = T> + Send + 'static) -> Remote<T> {
        let shared = Arc::new(Shared { result: IrqLock::new(None), waker: AtomicWaker::new() });
        let result = shared.clone();
        self.start_on(
            cpu,
            Box::pin(async move {
                let value = future.await;
                *result.result.lock() = Some(value);
                result.waker.wake();
            }),
        );
        Remote { shared }
    }

    fn start_on(self, cpu: Cpu, future: RemoteFuture) {
        let Some(spawner) = EXECUTORS.lock().get(cpu.number()).copied() else { return self.spawn(future) };
        let idle = STORAGES.lock().iter().find_map(|storage| AvailableTask::claim(storage));
        let idle = idle.or_else(|| {
            let storage: &'static TaskStorage<RemoteFuture> = Box::leak(Box::new(TaskStorage::new()));
            let idle = AvailableTask::claim(storage);
            STORAGES.lock().push(storage);
            idle
        });
        // Always `Some`: a new storage is free.
        if let Some(task) = idle {
            spawner.spawn(task.initialize(|| future));
        }
    }
}

struct Shared<T> {
    result: IrqLock<Option<T>>,
    waker: AtomicWaker,
}

/// The result of a task on another CPU: a future of what it returned. See [`Tasks::spawn_on`].
#[must_use = "the result of the task is lost"]
pub struct Remote<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Future for Remote<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        self.shared.waker.register(context.waker());
        self.shared.result.lock().take().map_or(Poll::Pending, Poll::Ready)
    }
}

impl<T> fmt::Debug for Remote<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("is_done", &self.shared.result.lock().is_some()).finish()
    }
}
