//! Word that something is gone, for any number of tasks that are in the middle of using it.

use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

/// Whether something is gone, and who is to hear of it.
#[derive(Debug, Default)]
pub struct Revoked {
    is_revoked: Cell<bool>,
    /// Each task is here once at most, so the list is as long as there ever were tasks that used it at once.
    users: RefCell<Vec<Waker>>,
}

impl Revoked {
    /// From now on it is gone, and all who are in the middle of something are woken.
    pub fn revoke(&self) {
        self.is_revoked.set(true);
        self.users.take().into_iter().for_each(Waker::wake);
    }

    /// Does something, unless and until it is gone: then `None`, and what was being done is dropped half-way.
    pub async fn guard<F: Future>(&self, work: F) -> Option<F::Output> {
        let mut work = pin!(work);
        poll_fn(|context| {
            if self.is_revoked.get() {
                return Poll::Ready(None);
            }
            let poll = work.as_mut().poll(context);
            if poll.is_pending() {
                self.remember(context);
            }
            poll.map(Some)
        })
        .await
    }

    fn remember(&self, context: &Context<'_>) {
        let mut users = self.users.borrow_mut();
        if !users.iter().any(|user| user.will_wake(context.waker())) {
            users.push(context.waker().clone());
        }
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
        let revoked = Revoked::default();
        assert_eq!(block_on(revoked.guard(ready(1))), Some(1));
        let (cut, ()) = block_on(join(revoked.guard(pending::<()>()), async { revoked.revoke() }));
        assert_eq!(cut, None);
        assert_eq!(block_on(revoked.guard(ready(1))), None);
    }
}
