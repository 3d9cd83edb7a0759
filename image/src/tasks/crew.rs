//! Many futures that borrow from one thing, and end together.
//!
//! A stack's services borrow the stack, and a task borrows nothing. So the futures stay beside what they borrow, in the
//! hands of whoever owns both, and each gets a task that polls it there and does nothing else: with wakers and timers
//! of its own, as cheap as a task.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::{OnceCell, RefCell};
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

/// Futures that live as long as what they borrow does, `'a`.
#[derive(Default)]
pub struct Crew<'a> {
    members: Vec<Member<'a>>,
}

struct Member<'a> {
    /// Nothing once it has ended.
    work: RefCell<Option<Pin<Box<dyn Future<Output = ()> + 'a>>>>,
    /// Of the task that polls it; there from the first poll on.
    waker: OnceCell<Waker>,
}

impl<'a> Crew<'a> {
    /// Adds a member. It does nothing until a task polls it.
    pub fn add(&mut self, future: impl Future<Output = ()> + 'a) {
        self.members.push(Member { work: RefCell::new(Some(Box::pin(future))), waker: OnceCell::new() });
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Polls one member, always from the same task; ready when it has ended, or all were.
    pub fn poll(&self, index: usize, context: &mut Context<'_>) -> Poll<()> {
        let Some(member) = self.members.get(index) else { return Poll::Ready(()) };
        member.waker.get_or_init(|| context.waker().clone());
        let mut work = member.work.borrow_mut();
        let poll = work.as_mut().map_or(Poll::Ready(()), |work| work.as_mut().poll(context));
        if poll.is_ready() {
            *work = None;
        }
        poll
    }

    /// Ends all members, wherever they are, and wakes their tasks to find that out. Not for members to call.
    pub fn end(&self) {
        for member in &self.members {
            member.work.replace(None);
            // A task that was not polled yet finds out when it is.
            member.waker.get().inspect(|waker| waker.wake_by_ref());
        }
    }
}

impl fmt::Debug for Crew<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crew").field("members", &self.members.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use alloc::rc::Rc;
    use core::future::pending;

    use super::*;

    #[test]
    fn members_borrow_and_end_together() {
        let owner = Rc::new(7);
        let (borrowed, mut crew) = (&owner, Crew::default());
        for _ in 0..2 {
            let held = borrowed.clone();
            crew.add(async move {
                let _held = held;
                assert_eq!(**borrowed, 7);
                pending().await
            });
        }
        crew.add(async {});
        let context = &mut Context::from_waker(Waker::noop());
        assert_eq!(crew.len(), 3);
        assert!(crew.poll(0, context).is_pending() && crew.poll(2, context).is_ready());
        assert_eq!(Rc::strong_count(&owner), 3);
        crew.end();
        assert_eq!(Rc::strong_count(&owner), 1);
        assert!((0..3).all(|index| crew.poll(index, context).is_ready()));
    }
}
