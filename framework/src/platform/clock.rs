//! The machine's monotonic clock.

use core::fmt;

use crate::sync::primitives::spin_loop;

/// A monotonic clock.
///
/// A driver gets it from [`Function::clock`](crate::function::Function::clock), to bound how long it waits for a device.
pub trait Clock: Send + Sync {
    /// Returns the nanoseconds since an arbitrary start. The value never decreases.
    fn now_ns(&self) -> u64;
}

impl dyn Clock + '_ {
    /// Spins until `is_done` returns `true`; returns `false` after `timeout_ns` nanoseconds. For short waits of probes.
    ///
    /// ```
    /// use switchboard::platform::Clock;
    /// # use switchboard_testing::{FakeFunction, FakeMachine};
    ///
    /// # let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8)]);
    /// # let function = fake.machine().take_all().remove(0);
    /// let clock: &dyn Clock = function.clock();
    /// let mut reads_until_ready = 3;
    /// assert!(clock.wait_until(1_000_000, || {
    ///     reads_until_ready -= 1;
    ///     reads_until_ready == 0
    /// }));
    /// assert!(!clock.wait_until(1_000_000, || false));
    /// ```
    pub fn wait_until(&self, timeout_ns: u64, mut is_done: impl FnMut() -> bool) -> bool {
        let start_ns = self.now_ns();
        loop {
            if is_done() {
                return true;
            }
            if self.now_ns().saturating_sub(start_ns) > timeout_ns {
                return false;
            }
            spin_loop();
        }
    }
}

impl fmt::Debug for dyn Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
