//! Functions that are removed: at once, or after so many accesses of the framework and the driver.

use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use switchboard::sync::IrqLock;

use super::controller::Tick;

/// Until when a function answers.
pub(super) struct DeviceState {
    /// The action of the device before each access to its registers.
    act: IrqLock<Option<Arc<Tick>>>,
    accesses: AtomicUsize,
    /// The function is gone once it has taken so many.
    limit: AtomicUsize,
    is_gone: AtomicBool,
}

impl DeviceState {
    pub(super) fn new() -> Arc<Self> {
        let (accesses, limit) = (AtomicUsize::new(0), AtomicUsize::new(usize::MAX));
        Arc::new(Self { act: IrqLock::new(None), accesses, limit, is_gone: AtomicBool::new(false) })
    }

    pub(super) fn on_access(&self, act: Arc<Tick>) {
        *self.act.lock() = Some(act);
    }

    /// Counts an access of the framework. Returns whether the function is there to take it.
    pub(super) fn admit(&self) -> bool {
        if self.accesses.load(Ordering::SeqCst) >= self.limit.load(Ordering::SeqCst) {
            self.end();
        }
        let is_there = !self.is_gone();
        self.accesses.fetch_add(usize::from(is_there), Ordering::SeqCst);
        is_there
    }

    /// Ends the state before the access that follows `more` others.
    pub(super) fn end_after(&self, more: usize) {
        self.limit.store(self.accesses.load(Ordering::SeqCst) + more, Ordering::SeqCst);
    }

    pub(super) fn end(&self) {
        self.is_gone.store(true, Ordering::SeqCst);
    }

    /// Runs the device's action for an access to its registers.
    pub(super) fn act(&self) {
        let act = self.act.lock().clone();
        act.inspect(|act| act());
    }

    pub(super) fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::SeqCst)
    }
}

impl fmt::Debug for DeviceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceState")
            .field("accesses", &self.accesses)
            .field("is_gone", &self.is_gone)
            .finish_non_exhaustive()
    }
}
