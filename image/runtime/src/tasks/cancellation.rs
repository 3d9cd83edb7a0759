//! Word that something is gone, for any number of tasks that are in the middle of using it.

use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

/// Whether something is gone, and who is to hear of it.
#[derive(Debug, Default)]
pub struct Cancellation {
    is_cancelled: Cell<bool>,
    /// The tasks that are in the middle of something, each once for each thing.
    users: RefCell<Vec<Waker>>,
}

impl Cancellation {
    /// From now on it is gone, and all who are in the middle of something are woken.
    pub fn cancel(&self) {
        self.is_cancelled.set(true);
        self.users.borrow().iter().for_each(Waker::wake_by_ref);
    }

    /// Does something, unless and until it is gone: then `None`, and what was being done is dropped half-way.
    pub async fn run_until_cancelled<F: Future>(&self, work: F) -> Option<F::Output> {
        let mut work = pin!(work);
        let mut user = User { cancellation: self, waker: None };
        poll_fn(|context| {
            if self.is_cancelled.get() {
                return Poll::Ready(None);
            }
            let poll = work.as_mut().poll(context);
            if poll.is_pending() {
                user.enter(context);
            }
            poll.map(Some)
        })
        .await
    }
}

/// Somebody in the middle of something; leaves the list when dropped.
struct User<'a> {
    cancellation: &'a Cancellation,
    waker: Option<Waker>,
}

impl User<'_> {
    fn enter(&mut self, context: &Context<'_>) {
        if self.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            return;
        }
        self.leave();
        self.waker = Some(context.waker().clone());
        self.cancellation.users.borrow_mut().push(context.waker().clone());
    }

    fn leave(&mut self) {
        let Some(waker) = self.waker.take() else { return };
        let mut users = self.cancellation.users.borrow_mut();
        if let Some(place) = users.iter().position(|user| user.will_wake(&waker)) {
            users.swap_remove(place);
        }
    }
}

impl Drop for User<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use core::future::{pending, ready};

    use embassy_futures::block_on;
    use embassy_futures::join::join;

    use super::*;

    #[test]
    fn what_is_under_way_ends_and_nothing_more_begins() {
        let cancellation = Cancellation::default();
        assert_eq!(block_on(cancellation.run_until_cancelled(ready(1))), Some(1));
        let (cut, ()) =
            block_on(join(cancellation.run_until_cancelled(pending::<()>()), async { cancellation.cancel() }));
        assert_eq!(cut, None);
        assert_eq!(block_on(cancellation.run_until_cancelled(ready(1))), None);
        assert!(cancellation.users.borrow().is_empty());
    }
}
