//! Masks of single MSI-X messages, for drivers that poll under load (as Linux NAPI).
//!
//! Under load, an interrupt for each frame costs time and brings no news. So the handler masks its message and wakes the task;
//! the task drains the queue, and unmasks the message when the queue is empty. Nothing is lost between the last check of the
//! queue and the unmask: an event while the entry is masked sets its pending bit, and the message is sent at the unmask
//! (PCI 3.0, 6.8.3.4).

use alloc::sync::Arc;
use core::fmt;

use super::msix::Msix;

/// The mask of one MSI-X message, taken from the grant before the context that holds it is registered.
///
/// A message is delivered only when neither this nor the state of its registration masks it. After the registration is
/// dropped, this has no effect. On a folded vector it also masks the messages that share the vector.
///
/// ```
/// use std::sync::Arc;
/// use switchboard::event::{Notifier, event};
/// use switchboard::interrupt::{InIsr, MessageIsr, MessageMask};
/// # use switchboard_testing::{FakeFunction, FakeMachine};
///
/// switchboard::messages! {
///     enum NicMessage { Receive }
/// }
/// struct Shared {
///     mask: Option<MessageMask>,
///     received: Notifier,
/// }
/// impl MessageIsr<1> for Shared {
///     type Message = NicMessage;
///     fn on_message(&self, _: NicMessage, isr: &InIsr<'_>) {
///         self.mask.as_ref().inspect(|mask| mask.mask());
///         self.received.notify(isr);
///     }
/// }
///
/// # let fake = FakeMachine::new([FakeFunction::new(0x1af4, 0x1041).bar(1, 0x1000).msix(4, 1, 0, 0x800)]);
/// # let function = fake.machine().take_all().remove(0);
/// # let address = function.address();
/// # let irq = function.claim()?.irq;
/// let granted = irq.grant_messages::<1, Shared>()?;
/// let (received, mut waiter) = event();
/// let shared = Arc::new(Shared { mask: granted.mask_of(NicMessage::Receive), received });
/// let messages = granted.register(shared.clone()).unmask();
///
/// // The device sends its message; returns whether that was delivered.
/// let send = || fake.send(address, 0).is_some();
/// assert!(send() && waiter.take(), "the first message is delivered");
/// assert!(!send(), "masked by the handler: the second stays pending");
/// // The task drains the queue, and then:
/// shared.mask.as_ref().inspect(|mask| mask.unmask());
/// assert!(send());
/// # drop(messages);
/// # Ok::<(), switchboard::driver::ProbeError>(())
/// ```
pub struct MessageMask {
    table: Arc<Msix>,
    entry: usize,
    owner: u64,
}

impl MessageMask {
    pub(super) fn new(table: Arc<Msix>, entry: usize) -> Self {
        let owner = table.owner(entry);
        Self { table, entry, owner }
    }

    /// Masks the message, from a handler or a task. A message that was already sent is still delivered.
    pub fn mask(&self) {
        self.table.set_polled(self.entry, self.owner, true);
    }

    /// Unmasks the message. A pending one is sent at once.
    pub fn unmask(&self) {
        self.table.set_polled(self.entry, self.owner, false);
    }
}

impl fmt::Debug for MessageMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageMask").field("entry", &self.entry).finish_non_exhaustive()
    }
}
