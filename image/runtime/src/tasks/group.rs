//! Many futures that end together.
//!
//! A task cannot be ended from outside. So the futures stay in the hands of whoever may end them, and each gets a task
//! that polls it there and does nothing else: with wakers and timers of its own, as cheap as a task.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, OnceCell, RefCell};
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use embassy_futures::yield_now;

use super::Tasks;

/// Futures that end together. Members may join at any time, also when called by one.
pub struct TaskGroup {
    tasks: Tasks,
    members: Members,
    has_ended: Cell<bool>,
}

/// Members for which there is room from the start.
const USUAL: usize = 512;

/// Those who have not ended by themselves.
type Members = Rc<RefCell<Vec<Rc<Member>>>>;

struct Member {
    /// Nothing once it has ended.
    work: RefCell<Option<Pin<Box<dyn Future<Output = ()>>>>>,
    /// Of the task that polls it; there from the first poll on.
    waker: OnceCell<Waker>,
}

impl TaskGroup {
    /// A group of nobody, whose members run as tasks.
    #[must_use]
    pub fn new(tasks: Tasks) -> Self {
        let members = Rc::new(RefCell::new(Vec::with_capacity(USUAL)));
        Self { tasks, members, has_ended: Cell::new(false) }
    }

    /// Adds a member, and starts its task. Nobody joins what has ended.
    pub fn add(&self, future: impl Future<Output = ()> + 'static) {
        if self.has_ended.get() {
            return;
        }
        let member = Rc::new(Member { work: RefCell::new(Some(Box::pin(future))), waker: OnceCell::new() });
        self.members.borrow_mut().push(member.clone());
        self.tasks.spawn(MemberTask { member, members: self.members.clone() });
    }

    /// Ends all members, wherever they are, and wakes their tasks to find that out. Not for members to call.
    pub fn end(&self) {
        self.has_ended.set(true);
        for member in self.members.borrow().iter() {
            member.end();
        }
    }

    /// Waits until the tasks of a group that was ended have let go of it.
    pub async fn ended(&self) {
        // They were woken, and find out when they are polled.
        while self.members.borrow().iter().any(|member| Rc::strong_count(member) > 1) {
            yield_now().await;
        }
    }
}

impl Member {
    fn end(&self) {
        self.work.replace(None);
        // A task that was not polled yet finds out when it is.
        self.waker.get().inspect(|waker| waker.wake_by_ref());
    }
}

/// The task of one member.
struct MemberTask {
    member: Rc<Member>,
    members: Members,
}

impl Future for MemberTask {
    type Output = ();

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let member = &*self.member;
        if member.waker.get().is_none() {
            member.waker.get_or_init(|| context.waker().clone());
        }
        let mut work = member.work.borrow_mut();
        let Some(future) = &mut *work else { return Poll::Ready(()) };
        let poll = future.as_mut().poll(context);
        if poll.is_ready() {
            *work = None;
            self.members.borrow_mut().retain(|other| !Rc::ptr_eq(other, &self.member));
        }
        poll
    }
}

impl fmt::Debug for TaskGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskGroup").field("members", &self.members.borrow().len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use core::future::pending;

    use super::*;

    #[test]
    fn a_member_that_is_ended_lets_go_of_what_it_held() {
        let owner = Rc::new(7);
        let members: Vec<_> = (0..3)
            .map(|index| {
                let held = owner.clone();
                let work = async move {
                    assert_eq!(*held, 7);
                    if index < 2 {
                        pending::<()>().await;
                    }
                };
                Rc::new(Member { work: RefCell::new(Some(Box::pin(work))), waker: OnceCell::new() })
            })
            .collect();
        let context = &mut Context::from_waker(Waker::noop());
        let list = Members::new(RefCell::new(members.clone()));
        let mut poll = |index: usize| {
            let mut task = MemberTask { member: members[index].clone(), members: list.clone() };
            Pin::new(&mut task).poll(context)
        };
        assert!(poll(0).is_pending() && poll(2).is_ready());
        assert_eq!(list.borrow().len(), 2, "who has ended is forgotten");
        assert_eq!(Rc::strong_count(&owner), 3);
        members.iter().for_each(|member| member.end());
        assert_eq!(Rc::strong_count(&owner), 1);
        assert!((0..3).all(|index| poll(index).is_ready()));
    }
}
