//! The clock of the fake machine, which advances each time it is read.

use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};

use switchboard::platform::Clock;
use switchboard::sync::IrqLock;

use super::device_state::Hook;

/// Time that passes with each reading, in nanoseconds, so that wait loops end without a wall clock.
const TICK_NS: u64 = 1_000;

/// A clock that starts at zero.
pub(super) struct FakeClock {
    now_ns: AtomicU64,
    /// Called at each reading.
    on_tick: IrqLock<Option<Arc<Hook>>>,
}

impl FakeClock {
    pub(super) const fn new() -> Self {
        Self { now_ns: AtomicU64::new(0), on_tick: IrqLock::new(None) }
    }

    pub(super) fn advance_ns(&self, nanoseconds: u64) {
        self.now_ns.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    pub(super) fn on_tick(&self, hook: Arc<Hook>) {
        *self.on_tick.lock() = Some(hook);
    }
}

impl Clock for FakeClock {
    fn now_ns(&self) -> u64 {
        // The hook runs without the lock: it may read the clock's machine.
        let hook = self.on_tick.lock().clone();
        hook.inspect(|hook| hook());
        self.now_ns.fetch_add(TICK_NS, Ordering::Relaxed)
    }
}

impl fmt::Debug for FakeClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeClock").field("now_ns", &self.now_ns).finish_non_exhaustive()
    }
}
