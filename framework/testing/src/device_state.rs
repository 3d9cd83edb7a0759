//! The state of a fake function that its registers share: its presence on the bus, and the test's hook before an
//! access.

use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use switchboard::sync::IrqLock;

/// A test's action in place of a device.
pub(super) type Hook = dyn Fn() + Send + Sync;

/// The presence of a function on the bus, and the number of accesses after which it is removed.
pub(super) struct DeviceState {
    /// Called before each access to the function's registers.
    on_access: IrqLock<Option<Arc<Hook>>>,
    accesses: AtomicUsize,
    /// The function is removed once it has taken so many accesses.
    limit: AtomicUsize,
    is_gone: AtomicBool,
}

impl DeviceState {
    pub(super) fn new() -> Arc<Self> {
        let (accesses, limit) = (AtomicUsize::new(0), AtomicUsize::new(usize::MAX));
        Arc::new(Self { on_access: IrqLock::new(None), accesses, limit, is_gone: AtomicBool::new(false) })
    }

    pub(super) fn on_access(&self, hook: Arc<Hook>) {
        *self.on_access.lock() = Some(hook);
    }

    /// Counts an access of the framework. Returns whether the function is there to take it.
    pub(super) fn admit(&self) -> bool {
        if self.accesses.load(Ordering::SeqCst) >= self.limit.load(Ordering::SeqCst) {
            self.remove();
        }
        let is_there = !self.is_gone();
        self.accesses.fetch_add(usize::from(is_there), Ordering::SeqCst);
        is_there
    }

    /// Removes the function before the access that follows `more` others.
    pub(super) fn remove_after(&self, more: usize) {
        self.limit.store(self.accesses.load(Ordering::SeqCst) + more, Ordering::SeqCst);
    }

    /// Removes the function now.
    pub(super) fn remove(&self) {
        self.is_gone.store(true, Ordering::SeqCst);
    }

    /// Calls the hook, for an access to the function's registers.
    pub(super) fn before_access(&self) {
        let hook = self.on_access.lock().clone();
        hook.inspect(|hook| hook());
    }

    /// Returns whether the function is removed.
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
