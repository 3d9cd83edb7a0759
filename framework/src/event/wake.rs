//! The flag by which tasks of an executor are woken, by its own CPU and by others.

use crate::sync::primitives::{AtomicBool, Ordering, planted};

/// The flag of an executor that polls its tasks on one CPU and halts it when none is woken.
///
/// The executor [takes](Self::take) it after each round, and once more with interrupts disabled right before it halts. A waker on another
/// CPU interrupts that CPU only if the flag was not set: one interrupt, however many tasks are woken until it is taken.
///
/// ```
/// use switchboard::event::WakeFlag;
///
/// let flag = WakeFlag::new();
/// assert!(flag.wake_from_another_cpu(), "the CPU may be halted, and is to be interrupted");
/// assert!(!flag.wake_from_another_cpu(), "it will see the flag");
/// assert!(flag.take() && !flag.take());
/// ```
#[derive(Debug)]
pub struct WakeFlag {
    is_woken: AtomicBool,
}

impl WakeFlag {
    /// Returns a flag that is not set.
    #[must_use]
    pub const fn new() -> Self {
        Self { is_woken: AtomicBool::new(false) }
    }

    /// Sets the flag, by a task or a handler of the executor's CPU.
    #[inline]
    pub fn wake(&self) {
        self.is_woken.store(true, Ordering::Release);
    }

    /// Sets the flag, by another CPU. Returns whether the executor's CPU is to be interrupted.
    #[inline]
    #[must_use]
    pub fn wake_from_another_cpu(&self) -> bool {
        planted!(!self.is_woken.swap(true, Ordering::SeqCst), "woken-without-the-flag" => true)
    }

    /// Clears the flag. Returns whether it was set.
    #[inline]
    pub fn take(&self) -> bool {
        self.is_woken.swap(false, Ordering::SeqCst)
    }
}

impl Default for WakeFlag {
    fn default() -> Self {
        Self::new()
    }
}
