//! The executor of a test: polls the tasks that were woken, when the test calls for it.

#![expect(
    unsafe_code,
    reason = "the executor's wake-up hook is a link-time symbol, and its poll must not be re-entered"
)]

use core::cell::Cell;
use core::ptr;

use embassy_executor::raw;
use switchboard_runtime::tasks::Tasks;

/// The executor's wake-up hook. A test polls at every step, so nothing has to be noted.
#[unsafe(export_name = "__pender")]
fn pender(_context: *mut ()) {}

/// An executor that lasts as long as the test program.
pub(crate) struct Executor {
    executor: &'static raw::Executor,
    is_polling: Cell<bool>,
}

impl Executor {
    pub(crate) fn new() -> Self {
        let executor = Box::leak(Box::new(raw::Executor::new(ptr::null_mut())));
        Self { executor, is_polling: Cell::new(false) }
    }

    /// Returns what starts tasks on this executor.
    pub(crate) fn tasks(&self) -> Tasks {
        Tasks::new(self.executor.spawner())
    }

    /// Polls the tasks that were woken.
    ///
    /// # Panics
    /// When a task calls it.
    pub(crate) fn poll(&self) {
        assert!(!self.is_polling.replace(true), "a task polls its own executor");
        // SAFETY: calls do not nest, which was checked. The executor stays on its thread: neither it nor `Cell` is shared
        // between threads.
        unsafe { self.executor.poll() };
        self.is_polling.set(false);
    }
}
