//! The machine's monotonic clock.

use core::fmt;

/// A monotonic clock.
///
/// A driver gets it from [`Function::clock`](crate::function::Function::clock), to bound how long it waits for a device.
pub trait Clock: Send + Sync {
    /// Returns the nanoseconds since an arbitrary start. The value never decreases.
    fn now_ns(&self) -> u64;
}

impl fmt::Debug for dyn Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
