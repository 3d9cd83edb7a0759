//! The removal flag of a function, and the tasks that wait for its removal.

use alloc::vec::Vec;
use core::task::{Context, Poll, Waker};

use crate::sync::IrqLock;
use crate::sync::primitives::{AtomicBool, Ordering};

/// The removal flag of one function.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    is_gone: AtomicBool,
    /// A reset is under way: a read of all ones does not mean removal.
    is_resetting: AtomicBool,
    waiting: IrqLock<Vec<Waker>>,
}

impl Watch {
    #[inline]
    pub(crate) fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::SeqCst)
    }

    /// Returns whether the function is being reset or woken, and may not answer for a while.
    pub(crate) fn is_resetting(&self) -> bool {
        self.is_resetting.load(Ordering::SeqCst)
    }

    pub(crate) fn set_resetting(&self, is_resetting: bool) {
        self.is_resetting.store(is_resetting, Ordering::SeqCst);
    }

    /// Marks the function as gone. Returns whether it was not marked before.
    pub(crate) fn mark(&self) -> bool {
        !self.is_gone.swap(true, Ordering::SeqCst)
    }

    pub(crate) fn wake(&self) {
        self.waiting.lock().drain(..).for_each(Waker::wake);
    }

    pub(crate) fn poll_gone(&self, context: &Context<'_>) -> Poll<()> {
        if self.is_gone() {
            return Poll::Ready(());
        }
        {
            let mut waiting = self.waiting.lock();
            if !waiting.iter().any(|known| known.will_wake(context.waker())) {
                waiting.push(context.waker().clone());
            }
        }
        // The function may have been marked between the check and the registration, without a waker to call.
        if self.is_gone() { Poll::Ready(()) } else { Poll::Pending }
    }
}
