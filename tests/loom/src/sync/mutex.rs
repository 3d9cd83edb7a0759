//! The spin lock. No two threads of a model contend for one; a model that did would fail.

use std::sync::{Mutex, MutexGuard};

pub(crate) type SpinMutexGuard<'a, T> = MutexGuard<'a, T>;

#[derive(Debug)]
pub(crate) struct SpinMutex<T> {
    inner: Mutex<T>,
}

impl<T> SpinMutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self { inner: Mutex::new(value) }
    }

    pub(crate) fn lock(&self) -> SpinMutexGuard<'_, T> {
        self.inner.try_lock().expect("no other thread holds the lock")
    }

    pub(crate) fn try_lock(&self) -> Option<SpinMutexGuard<'_, T>> {
        self.inner.try_lock().ok()
    }
}
