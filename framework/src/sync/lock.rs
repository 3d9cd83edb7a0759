//! A spin lock that keeps interrupts off while it is held.
//!
//! A plain lock that a task and an ISR share deadlocks when the ISR interrupts the task that holds it. Keeping interrupts off
//! for the short time that the lock is held rules that out; other CPUs spin. This is `spin_lock_irqsave` of Linux.

use core::fmt;
use core::ops::{Deref, DerefMut};

use super::cpu;
use super::primitives::{SpinMutex, SpinMutexGuard};

/// A spin lock around a value that tasks and ISRs share.
///
/// Hold it for a few instructions only: it delays every interrupt of this CPU.
///
/// ```
/// use switchboard::sync::IrqLock;
/// static FRAMES: IrqLock<u64> = IrqLock::new(0);
/// *FRAMES.lock() += 1;
/// assert_eq!(*FRAMES.lock(), 1);
/// ```
pub struct IrqLock<T> {
    inner: SpinMutex<T>,
}

impl<T> IrqLock<T> {
    /// Creates a lock around `value`.
    pub const fn new(value: T) -> Self {
        Self { inner: SpinMutex::new(value) }
    }

    /// Acquires the lock. Interrupts stay off on this CPU until the guard is dropped.
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

/// A guard that gives access to the value of an [`IrqLock`] and releases it when dropped.
///
/// The fields drop in order: the lock is released before interrupts are enabled.
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

/// A guard that disables interrupts on this CPU and restores their state when dropped.
struct InterruptsOff {
    were_enabled: bool,
    // Interrupts must be restored on the CPU on which they were disabled.
    _not_send: core::marker::PhantomData<*const ()>,
}

impl InterruptsOff {
    fn enter() -> Self {
        Self { were_enabled: cpu::disable_interrupts(), _not_send: core::marker::PhantomData }
    }
}

impl Drop for InterruptsOff {
    fn drop(&mut self) {
        if self.were_enabled {
            cpu::enable_interrupts();
        }
    }
}
