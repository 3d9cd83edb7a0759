//! The one who runs a stack: turns of receiving, sending, and looking at the link.

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};

use smoltcp::time::{Duration, Instant};

use super::device::{Arriving, Leaving};
use super::sets::NEVER;
use super::{Stack, checksum, now};
use crate::interface::State;
use crate::nic::Nic;
use crate::polling::Polling;

/// Frames that a stack takes in one turn. It would take more for as long as there are more, and a card may have one
/// always: nobody else on this CPU would ever run again.
const TURN: u32 = 256;

/// How long a link may take to come up before that is said: cards take a moment to report it, and only one that is
/// really down is worth a line.
const LINK_TIMEOUT: Duration = Duration::from_secs(2);

/// Runs a stack for as long as it is polled; it never ends.
pub struct Runner {
    stack: Stack,
    nic: Box<dyn Nic>,
    state: Rc<State>,
    /// When its task is woken, at the latest.
    alarm: Instant,
    /// When it is said that the link is down; never, once that time is over.
    link_timeout: Instant,
    /// Checksums are [ours](checksum).
    has_checksums: bool,
    polling: Polling,
}

impl Runner {
    pub(super) fn new(stack: Stack, nic: Box<dyn Nic>, state: Rc<State>) -> Self {
        let has_checksums = checksum::are_ours(&nic.capabilities().checksum);
        let polling = Polling::new(0, state.poll_budget_ns);
        let link_timeout = now() + LINK_TIMEOUT;
        Self { stack, nic, state, alarm: NEVER, link_timeout, has_checksums, polling }
    }
}

impl Future for Runner {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Self { stack, nic, state, alarm, link_timeout, has_checksums, polling } = &mut *self;
        let has_checksums = *has_checksums;
        let core = &mut *stack.borrow_mut();
        if core.waker.as_ref().is_none_or(|waker| !waker.will_wake(context.waker())) {
            core.waker = Some(context.waker().clone());
        }
        let now = now();
        let traffic = &state.traffic;
        let mut taken = 0;
        while taken < TURN
            && nic.receive(context, &mut |frame, reply| {
                core.receive(Arriving { frame: Some(frame), has_checksums, reply, traffic }, now);
            })
        {
            taken += 1;
        }
        let looks_again =
            polling.looked(&mut **nic, taken, || u64::try_from(now.total_micros()).unwrap_or_default() * 1000);
        core.sets.queue_due(now);
        core.keep_address(state, now);
        let mut leaving = Leaving { nic: &mut **nic, context, traffic, has_checksums, is_full: false };
        let is_short = core.send(&mut leaving, now);
        let is_up = nic.end_turn(context);
        let is_changed = is_up != state.is_up();
        if is_changed {
            core.link_changed(is_up, state);
        }
        if taken == TURN || is_short || is_changed || looks_again {
            context.waker().wake_by_ref();
        }
        if now >= *link_timeout {
            *link_timeout = NEVER;
            if !is_up {
                log::warn!("net {}: link down", state.function);
            }
        }
        if now >= *alarm {
            *alarm = NEVER;
        }
        let due = core.sets.due().min(*link_timeout);
        if due < *alarm {
            *alarm = due;
            let at = u64::try_from(due.total_micros()).unwrap_or(u64::MAX);
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
