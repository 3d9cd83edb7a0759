//! The interface of a slot for its users: changes, and the responses to them.

use alloc::sync::Arc;
use core::future::poll_fn;
use core::mem;
use core::task::{Context, Poll};

use atomic_waker::AtomicWaker;
use switchboard::function::SecondaryBus;
use switchboard::sync::IrqLock;

/// A change at a slot, for the user of what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotChange {
    /// Functions were added: they have power and respond. To be [scanned](switchboard::machine::Machine::scan) for.
    Added,
    /// Removal was requested at the attention button. The response is [`SlotMonitor::release`] once the drivers are dropped, or
    /// [`SlotMonitor::keep`].
    RemovalRequested,
    /// The functions were removed, and their drivers get `Gone`. The drivers are to be dropped, so that other functions can be added.
    Gone,
}

/// The handle of users on a slot, as the other end of its [`Runner`](super::Runner).
#[derive(Debug)]
pub struct SlotMonitor {
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) bus: SecondaryBus,
    pub(super) number: u16,
}

impl SlotMonitor {
    /// Waits for the next change. Changes come in order; one that a removal made obsolete before it was read is left out. Returns
    /// `None` after the port was removed, or its runner dropped.
    pub async fn next(&mut self) -> Option<SlotChange> {
        poll_fn(|context| self.mailbox.poll_change(context)).await
    }

    /// Turns the power off, after which the card may be pulled. The drivers of all functions behind the port must have been dropped.
    /// Also allowed without a request.
    pub fn release(&self) {
        self.mailbox.respond(RELEASED);
    }

    /// Refuses a request for removal: the functions stay.
    pub fn keep(&self) {
        self.mailbox.respond(KEPT);
    }

    /// Turns the power off at once, as if the card were pulled: a surprise removal, followed by [`SlotChange::Gone`].
    pub fn cut_power(&self) {
        self.mailbox.respond(POWER_CUT);
    }

    /// Returns the bus behind the port.
    #[must_use]
    pub fn bus(&self) -> &SecondaryBus {
        &self.bus
    }

    /// Returns the number of the slot in the chassis.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }
}

/// Responses, as bits.
pub(super) const RELEASED: u8 = 1;
pub(super) const KEPT: u8 = 1 << 1;
pub(super) const POWER_CUT: u8 = 1 << 2;

/// Changes, as bits.
const GONE: u8 = 1;
const ADDED: u8 = 1 << 1;
const REQUESTED: u8 = 1 << 2;

/// The mailbox between a runner and its [`SlotMonitor`].
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    content: IrqLock<MailboxContent>,
    monitor: AtomicWaker,
    /// The waker of the runner, for responses and for events of the port.
    pub(super) runner: AtomicWaker,
}

#[derive(Debug, Default)]
struct MailboxContent {
    /// Changes that the monitor has not read yet.
    changes: u8,
    /// Responses that the runner has not read yet.
    responses: u8,
    is_closed: bool,
}

impl Mailbox {
    /// Posts a change for the monitor.
    pub(super) fn post(&self, change: SlotChange) {
        {
            let mut content = self.content.lock();
            match change {
                SlotChange::Gone => {
                    // Earlier changes are obsolete, and so are responses to them.
                    content.changes = GONE;
                    content.responses &= POWER_CUT;
                }
                SlotChange::Added => content.changes |= ADDED,
                SlotChange::RemovalRequested => content.changes |= REQUESTED,
            }
        }
        self.monitor.wake();
    }

    /// Ends the stream of changes.
    pub(super) fn close(&self) {
        self.content.lock().is_closed = true;
        self.monitor.wake();
    }

    /// Polls for the next change. The order is the only possible one: nothing is added or requested before a removal is read.
    fn poll_change(&self, context: &Context<'_>) -> Poll<Option<SlotChange>> {
        self.monitor.register(context.waker());
        let mut content = self.content.lock();
        for (bit, change) in
            [(GONE, SlotChange::Gone), (ADDED, SlotChange::Added), (REQUESTED, SlotChange::RemovalRequested)]
        {
            if content.changes & bit != 0 {
                content.changes &= !bit;
                return Poll::Ready(Some(change));
            }
        }
        if content.is_closed { Poll::Ready(None) } else { Poll::Pending }
    }

    fn respond(&self, response: u8) {
        {
            let mut content = self.content.lock();
            // A response before the removal was read is one for the functions that were removed.
            if content.changes & GONE == 0 || response == POWER_CUT {
                content.responses |= response;
            }
        }
        self.runner.wake();
    }

    /// Returns and clears the responses.
    pub(super) fn take_responses(&self) -> u8 {
        mem::take(&mut self.content.lock().responses)
    }

    /// Returns whether there are responses.
    pub(super) fn has_responses(&self) -> bool {
        self.content.lock().responses != 0
    }
}
