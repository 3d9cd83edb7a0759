//! What the users of a slot see: changes to react to, and their answers.

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
    /// Functions have come: they have power and answer. To be [scanned](switchboard::machine::Machine::scan) for.
    Added,
    /// Removal was requested at the attention button. To be answered, once their drivers are dropped, by
    /// [`SlotMonitor::release`]; or by [`SlotMonitor::keep`].
    RemovalRequested,
    /// They are gone, and their drivers know. To be dropped, so that others can come up in their place.
    Gone,
}

/// The other end of a slot's runner.
#[derive(Debug)]
pub struct SlotMonitor {
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) bus: SecondaryBus,
    pub(super) number: u16,
}

impl SlotMonitor {
    /// The next change, in the order in which they happened. One that a later one overtook is left out: what was added
    /// and is gone already was never there. `None` when the port itself is gone, or its runner.
    pub async fn next(&mut self) -> Option<SlotChange> {
        poll_fn(|context| self.mailbox.poll_change(context)).await
    }

    /// The drivers of all functions behind the port are dropped: takes their power, after which they may be pulled.
    /// Without having been asked, too.
    pub fn release(&self) {
        self.mailbox.answer(RELEASED);
    }

    /// What was asked for is refused: the functions stay.
    pub fn keep(&self) {
        self.mailbox.answer(KEPT);
    }

    /// Takes the power of what is behind the port without a request: as if it were pulled, and so a
    /// [`SlotChange::Gone`].
    pub fn cut_power(&self) {
        self.mailbox.answer(CUT);
    }

    /// What is behind the port.
    #[must_use]
    pub fn bus(&self) -> &SecondaryBus {
        &self.bus
    }

    /// The slot's number on the chassis.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }
}

pub(super) const RELEASED: u8 = 1;
pub(super) const KEPT: u8 = 1 << 1;
pub(super) const CUT: u8 = 1 << 2;

const GONE: u8 = 1;
const ADDED: u8 = 1 << 1;
const ASKED: u8 = 1 << 2;

/// Where a runner and its [`SlotMonitor`] leave word for each other.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    words: IrqLock<Words>,
    news: AtomicWaker,
    /// The runner's: answers, and events of the port.
    pub(super) runner: AtomicWaker,
}

#[derive(Debug, Default)]
struct Words {
    /// Changes that were not taken yet.
    changes: u8,
    /// Answers that the runner has not seen.
    answers: u8,
    is_closed: bool,
}

impl Mailbox {
    pub(super) fn tell(&self, change: SlotChange) {
        {
            let mut words = self.words.lock();
            match change {
                SlotChange::Gone => {
                    // Whatever was reported before is overtaken, and so is the answer to it.
                    words.changes = GONE;
                    words.answers &= CUT;
                }
                SlotChange::Added => words.changes |= ADDED,
                SlotChange::RemovalRequested => words.changes |= ASKED,
            }
        }
        self.news.wake();
    }

    /// Reports no further change.
    pub(super) fn close(&self) {
        self.words.lock().is_closed = true;
        self.news.wake();
    }

    /// In the order in which they can have happened: nothing is added or asked for between a removal and its end.
    fn poll_change(&self, context: &Context<'_>) -> Poll<Option<SlotChange>> {
        self.news.register(context.waker());
        let mut words = self.words.lock();
        for (bit, change) in
            [(GONE, SlotChange::Gone), (ADDED, SlotChange::Added), (ASKED, SlotChange::RemovalRequested)]
        {
            if words.changes & bit != 0 {
                words.changes &= !bit;
                return Poll::Ready(Some(change));
            }
        }
        if words.is_closed { Poll::Ready(None) } else { Poll::Pending }
    }

    fn answer(&self, answer: u8) {
        {
            let mut words = self.words.lock();
            // Who has not heard yet that it is gone speaks of what was there before.
            if words.changes & GONE == 0 || answer == CUT {
                words.answers |= answer;
            }
        }
        self.runner.wake();
    }

    pub(super) fn take_answers(&self) -> u8 {
        mem::take(&mut self.words.lock().answers)
    }

    pub(super) fn has_answers(&self) -> bool {
        self.words.lock().answers != 0
    }
}
