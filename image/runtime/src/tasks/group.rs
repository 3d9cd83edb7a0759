//! Groups of tasks that are ended together.
//!
//! The executor cannot end a task from outside. So a group owns the futures of its members, and each member has a task
//! that only polls its future in the group. A member has its own waker and timers, and costs as much as a task.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, OnceCell, RefCell};
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use embassy_futures::yield_now;

use super::{Tasks, Work};

/// A group of tasks that are ended together.
///
/// Members may be added at any time, also by a member.
///
/// ```standalone_crate
/// use std::cell::Cell;
/// use std::rc::Rc;
/// use switchboard_runtime::tasks::{TaskGroup, Tasks};
///
/// # #[unsafe(export_name = "__pender")]
/// # fn pender(_context: *mut ()) {}
/// # let executor: &'static _ = Box::leak(Box::new(embassy_executor::raw::Executor::new(core::ptr::null_mut())));
/// # let poll = || unsafe { executor.poll() };
/// # let tasks = Tasks::new(executor.spawner());
/// let group = TaskGroup::new(tasks);
/// let (shared, started) = (Rc::new(7), Rc::new(Cell::new(0)));
/// for _ in 0..3 {
///     let (shared, started) = (shared.clone(), started.clone());
///     group.add(async move {
///         started.set(started.get() + 1);
///         core::future::pending::<()>().await;
///         drop(shared);
///     });
/// }
/// poll();
/// assert_eq!((started.get(), Rc::strong_count(&shared)), (3, 4));
///
/// group.end();
/// assert_eq!(Rc::strong_count(&shared), 1, "the futures are dropped");
/// poll();
/// embassy_futures::block_on(group.ended());
/// ```
pub struct TaskGroup {
    tasks: Tasks,
    members: Members,
    has_ended: Cell<bool>,
}

/// Room for members that is allocated when a group is made.
const INITIAL_CAPACITY: usize = 512;

/// The members that have not finished.
type Members = Rc<RefCell<Vec<Rc<Member>>>>;

struct Member {
    /// `None` once it has finished or was ended.
    work: RefCell<Option<Pin<Box<dyn Future<Output = ()>>>>>,
    /// The waker of its task; set at the first poll.
    waker: OnceCell<Waker>,
}

impl TaskGroup {
    /// Makes a group without members, whose members will run as tasks of `tasks`.
    #[must_use]
    pub fn new(tasks: Tasks) -> Self {
        let members = Rc::new(RefCell::new(Vec::with_capacity(INITIAL_CAPACITY)));
        Self { tasks, members, has_ended: Cell::new(false) }
    }

    /// Adds a member, and starts its task. Does nothing after [`end`](Self::end).
    pub fn add(&self, future: impl Future<Output = ()> + 'static) {
        if self.has_ended.get() {
            return;
        }
        let member = Rc::new(Member { work: RefCell::new(Some(Box::pin(future))), waker: OnceCell::new() });
        self.members.borrow_mut().push(member.clone());
        self.tasks.start(Work::Member(MemberTask { member, members: self.members.clone() }));
    }

    /// Drops the futures of all members, and wakes their tasks, which end when they are polled.
    ///
    /// # Panics
    /// Panics when a member calls it, because its future cannot be dropped while it is polled.
    pub fn end(&self) {
        self.has_ended.set(true);
        for member in self.members.borrow().iter() {
            member.end();
        }
    }

    /// Waits until all members' tasks have ended. Call [`end`](Self::end) first.
    pub async fn ended(&self) {
        // Each task was woken, and drops its reference when it is polled.
        while self.members.borrow().iter().any(|member| Rc::strong_count(member) > 1) {
            yield_now().await;
        }
    }
}

impl Member {
    fn end(&self) {
        self.work.replace(None);
        // A task without a waker was not polled yet, and ends at its first poll.
        self.waker.get().inspect(|waker| waker.wake_by_ref());
    }
}

/// The task of one member.
pub(super) struct MemberTask {
    member: Rc<Member>,
    members: Members,
}

impl MemberTask {
    #[inline]
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let member = &*self.member;
        if member.waker.get().is_none() {
            member.waker.get_or_init(|| context.waker().clone());
        }
        let poll = match &mut *member.work.borrow_mut() {
            Some(future) => future.as_mut().poll(context),
            None => return Poll::Ready(()),
        };
        if poll.is_ready() {
            self.finish();
        }
        poll
    }

    /// Drops the future, and removes the member from its group.
    #[cold]
    fn finish(&self) {
        self.member.work.replace(None);
        self.members.borrow_mut().retain(|other| !Rc::ptr_eq(other, &self.member));
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
    fn an_ended_member_drops_its_future() {
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
            task.poll(context)
        };
        assert!(poll(0).is_pending() && poll(2).is_ready());
        assert_eq!(list.borrow().len(), 2, "a member that has finished is removed");
        assert_eq!(Rc::strong_count(&owner), 3);
        members.iter().for_each(|member| member.end());
        assert_eq!(Rc::strong_count(&owner), 1);
        assert!((0..3).all(|index| poll(index).is_ready()));
    }
}
