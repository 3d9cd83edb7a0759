//! The lock that keeps interrupts off: no model contends for one, and one that did would fail.

use core::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard};

use super::cpu;

pub(crate) struct IrqLock<T> {
    inner: Mutex<T>,
}

impl<T> IrqLock<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self { inner: Mutex::new(value) }
    }

    pub(crate) fn lock(&self) -> IrqLockGuard<'_, T> {
        let off = cpu::InterruptsOff::enter();
        IrqLockGuard { guard: self.inner.try_lock().expect("nobody else has it"), _off: off }
    }
}

/// The fields drop in order, as those of the framework's.
pub(crate) struct IrqLockGuard<'a, T> {
    guard: MutexGuard<'a, T>,
    _off: cpu::InterruptsOff,
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
