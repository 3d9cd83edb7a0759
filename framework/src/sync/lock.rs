//! A spin lock that keeps interrupts off while it is held.
//!
//! A lock that both a task and an ISR take deadlocks the CPU when the ISR finds it held by the task it
//! interrupted. Keeping interrupts off for the (short) time it is held rules that out; the spinning is for
//! other CPUs only.

use core::fmt;
use core::ops::{Deref, DerefMut};

use spin::mutex::{SpinMutex, SpinMutexGuard};
use x86_64::PrivilegeLevel;
use x86_64::instructions::interrupts;
use x86_64::registers::segmentation::{CS, Segment};

/// A value shared between tasks and ISRs.
pub struct IrqLock<T> {
    inner: SpinMutex<T>,
}

impl<T> IrqLock<T> {
    /// A lock around `value`.
    pub const fn new(value: T) -> Self {
        Self { inner: SpinMutex::new(value) }
    }

    /// Takes the lock; interrupts stay off until the guard is gone.
    pub fn lock(&self) -> IrqLockGuard<'_, T> {
        let interrupts = InterruptsOff::enter();
        IrqLockGuard { guard: self.inner.lock(), _interrupts: interrupts }
    }
}

impl<T: Default> Default for IrqLock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> fmt::Debug for IrqLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IrqLock").finish_non_exhaustive()
    }
}

/// Access to what an [`IrqLock`] holds. The fields drop in order: the lock opens before interrupts come back.
pub struct IrqLockGuard<'a, T> {
    guard: SpinMutexGuard<'a, T>,
    _interrupts: InterruptsOff,
}

impl<T> fmt::Debug for IrqLockGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IrqLockGuard").finish_non_exhaustive()
    }
}

impl<T> Deref for IrqLockGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for IrqLockGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

/// Interrupts are off on this CPU while this lives, and as they were before after it.
///
/// Host tests run in ring 3, where `cli` faults and no ISR can interrupt: there it does nothing.
struct InterruptsOff {
    restore: bool,
    // What is off on this CPU must come back on this CPU.
    _not_send: core::marker::PhantomData<*const ()>,
}

impl InterruptsOff {
    fn enter() -> Self {
        let restore = CS::get_reg().rpl() == PrivilegeLevel::Ring0 && interrupts::are_enabled();
        if restore {
            interrupts::disable();
        }
        Self { restore, _not_send: core::marker::PhantomData }
    }
}

impl Drop for InterruptsOff {
    fn drop(&mut self) {
        if self.restore {
            interrupts::enable();
        }
    }
}
