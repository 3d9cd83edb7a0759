//! Many futures that end together.
//!
//! A task cannot be ended from outside. So the futures stay in the hands of whoever may end them, and each gets a task
//! that polls it there and does nothing else: with wakers and timers of its own, as cheap as a task.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{OnceCell, RefCell};
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use embassy_futures::yield_now;

use super::Tasks;

/// Futures that end together.
#[derive(Default)]
pub struct Crew {
    members: Vec<Member>,
}

struct Member {
    /// Nothing once it has ended.
    work: RefCell<Option<Pin<Box<dyn Future<Output = ()>>>>>,
    /// Of the task that polls it; there from the first poll on.
    waker: OnceCell<Waker>,
}

impl Crew {
    /// Adds a member. It does nothing until a task polls it.
    pub fn add(&mut self, future: impl Future<Output = ()> + 'static) {
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

    /// Starts a task for each member.
    pub fn start(self: &Rc<Self>, tasks: Tasks) {
        for index in 0..self.len() {
            tasks.spawn(StandIn { crew: self.clone(), index });
        }
    }

    /// Waits until the tasks of a crew that was ended have let go of it.
    pub async fn ended(self: &Rc<Self>) {
        // They were woken, and find out when they are polled.
        while Rc::strong_count(self) > 1 {
            yield_now().await;
        }
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

/// The task of one member.
struct StandIn {
    crew: Rc<Crew>,
    index: usize,
}

impl Future for StandIn {
    type Output = ();
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.crew.poll(self.index, context)
    }
}

impl fmt::Debug for Crew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crew").field("members", &self.members.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use core::future::pending;

    use super::*;

    #[test]
    fn members_end_together() {
        let (owner, mut crew) = (Rc::new(7), Crew::default());
        for _ in 0..2 {
            let held = owner.clone();
            crew.add(async move {
                assert_eq!(*held, 7);
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
