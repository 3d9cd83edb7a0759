//! Cancellation of the work of any number of tasks.

use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

/// A flag that cancels the work of any number of tasks, once and for good.
///
/// ```
/// use core::future::pending;
/// use embassy_futures::block_on;
/// use embassy_futures::join::join;
/// use switchboard_runtime::tasks::Cancellation;
///
/// let cancellation = Cancellation::default();
/// assert_eq!(block_on(cancellation.run_until_cancelled(async { 1 })), Some(1));
///
/// let forever = cancellation.run_until_cancelled(pending::<u32>());
/// let (result, ()) = block_on(join(forever, async { cancellation.cancel() }));
/// assert_eq!(result, None);
/// ```
#[derive(Debug, Default)]
pub struct Cancellation {
    is_cancelled: Cell<bool>,
    /// The wakers of the pending calls of [`run_until_cancelled`](Self::run_until_cancelled).
    waiting: RefCell<Vec<Waker>>,
}

impl Cancellation {
    /// Cancels all pending and all later work, and wakes the tasks that are waiting.
    pub fn cancel(&self) {
        self.is_cancelled.set(true);
        self.waiting.borrow().iter().for_each(Waker::wake_by_ref);
    }

    /// Runs `work`; drops it and returns `None` when it is cancelled first.
    pub async fn run_until_cancelled<F: Future>(&self, work: F) -> Option<F::Output> {
        let mut work = pin!(work);
        let mut registration = Registration { cancellation: self, waker: None };
        poll_fn(|context| {
            if self.is_cancelled.get() {
                return Poll::Ready(None);
            }
            let poll = work.as_mut().poll(context);
            if poll.is_pending() {
                registration.set_waker(context);
            }
            poll.map(Some)
        })
        .await
    }
}

/// The waker of one pending call in the list; removed when dropped.
struct Registration<'a> {
    cancellation: &'a Cancellation,
    waker: Option<Waker>,
}

impl Registration<'_> {
    fn set_waker(&mut self, context: &Context<'_>) {
        if self.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            return;
        }
        self.remove();
        self.waker = Some(context.waker().clone());
        self.cancellation.waiting.borrow_mut().push(context.waker().clone());
    }

    fn remove(&mut self) {
        let Some(waker) = self.waker.take() else { return };
        let mut waiting = self.cancellation.waiting.borrow_mut();
        if let Some(place) = waiting.iter().position(|other| other.will_wake(&waker)) {
            waiting.swap_remove(place);
        }
    }
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        self.remove();
    }
}

#[cfg(test)]
mod tests {
    use core::future::{pending, ready};

    use embassy_futures::block_on;
    use embassy_futures::join::join;

    use super::*;

    #[test]
    fn pending_and_later_work_is_cancelled() {
        let cancellation = Cancellation::default();
        assert_eq!(block_on(cancellation.run_until_cancelled(ready(1))), Some(1));
        let (cancelled, ()) =
            block_on(join(cancellation.run_until_cancelled(pending::<()>()), async { cancellation.cancel() }));
        assert_eq!(cancelled, None);
        assert_eq!(block_on(cancellation.run_until_cancelled(ready(1))), None);
        assert!(cancellation.waiting.borrow().is_empty());
    }
}
