//! The waker of the task that receives.

use core::task::Waker;

use switchboard::sync::IrqLock;

/// The waker of the task that receives, which stays registered when it is woken: a poll that finds no frame, after an
/// earlier one has requested an interrupt, has nothing to do.
#[derive(Debug, Default)]
pub(super) struct ReceiveWaker(IrqLock<Option<Waker>>);

impl ReceiveWaker {
    /// Wakes the task.
    #[inline]
    pub(super) fn wake(&self) {
        if let Some(waker) = &*self.0.lock() {
            waker.wake_by_ref();
        }
    }

    /// Replaces the waker.
    pub(super) fn replace(&self, waker: Option<Waker>) {
        // What was before is dropped when the lock is free.
        let before = core::mem::replace(&mut *self.0.lock(), waker);
        drop(before);
    }
}
