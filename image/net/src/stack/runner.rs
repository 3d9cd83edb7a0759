//! The future that runs a stack: each poll receives, sends, and checks the link.

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};

use smoltcp::time::{Duration, Instant};

use super::engine::now;
use super::handle::Stack;
use super::socket_table::NEVER;
use crate::interface_state::InterfaceState;
use crate::link::{FrameSender, ReplySender};
use crate::nic::{LinkStatus, Nic};
use crate::polling::Polling;

/// Frames that a stack receives in one poll. Without a limit, a card that always has another frame would starve all
/// other tasks of this CPU.
const RECEIVE_BUDGET: u32 = 256;

/// The time for a link to come up before a warning: cards take a moment to report it, and only a link that is really
/// down is worth a line.
const LINK_TIMEOUT: Duration = Duration::from_secs(2);

/// A future that runs a stack while it is polled; it never ends. See [`Stack`].
pub struct Runner {
    stack: Stack,
    nic: Box<dyn Nic>,
    state: Rc<InterfaceState>,
    /// When the timer wakes the task, at the latest.
    alarm: Instant,
    /// When to warn that the link is down; [`NEVER`], once that time is over.
    link_deadline: Instant,
    polling: Polling,
}

impl Runner {
    pub(super) fn new(stack: Stack, nic: Box<dyn Nic>, state: Rc<InterfaceState>) -> Self {
        let polling = Polling::new(0, state.poll_budget_ns);
        let link_deadline = now() + LINK_TIMEOUT;
        Self { stack, nic, state, alarm: NEVER, link_deadline, polling }
    }
}

impl Future for Runner {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Self { stack, nic, state, alarm, link_deadline, polling } = &mut *self;
        let engine = &mut *stack.borrow_mut();
        if engine.waker.as_ref().is_none_or(|waker| !waker.will_wake(context.waker())) {
            engine.waker = Some(context.waker().clone());
        }
        let now = now();
        let traffic = &state.traffic;
        let mut received = 0;
        while received < RECEIVE_BUDGET
            && nic.receive(context, &mut |frame, reply| {
                traffic.count_received(frame.len());
                engine.receive(frame, &mut ReplySender { reply, traffic }, now);
            })
        {
            received += 1;
        }
        engine.release_acknowledgement(now);
        let is_polled =
            polling.polled(&mut **nic, received, || u64::try_from(now.total_micros()).unwrap_or_default() * 1000);
        let is_due = now >= engine.deadline();
        let mut sender = FrameSender { nic: &mut **nic, context, traffic, is_full: false };
        if is_due {
            engine.begin_due(&mut sender, state, now);
        }
        let has_more = engine.send(&mut sender, is_due, now);
        let is_full = sender.is_full;
        let link_status = nic.end_poll(context);
        let is_up = link_status != LinkStatus::Down;
        let is_changed = is_up != state.is_up();
        if is_changed {
            engine.link_changed(is_up, state, now);
            // It is logged already.
            *link_deadline = if is_up { *link_deadline } else { NEVER };
        }
        if link_status == LinkStatus::Announce {
            engine.announce(now);
            context.waker().wake_by_ref();
        }
        if received == RECEIVE_BUDGET || has_more || is_changed || is_polled {
            context.waker().wake_by_ref();
        }
        if now >= *link_deadline {
            *link_deadline = NEVER;
            if !is_up {
                log::warn!("net {}: link down", state.function);
            }
        }
        if now >= *alarm {
            *alarm = NEVER;
        }
        // A card without room wakes the task when it has some.
        let deadline = if is_full { NEVER } else { engine.deadline() }.min(*link_deadline);
        if deadline < *alarm {
            *alarm = deadline;
            let at = u64::try_from(deadline.total_micros()).unwrap_or(u64::MAX);
            embassy_time_driver::schedule_wake(embassy_time::Instant::from_micros(at).as_ticks(), context.waker());
        }
        Poll::Pending
    }
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner").field("alarm", &self.alarm).finish_non_exhaustive()
    }
}
