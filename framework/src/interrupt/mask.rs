//! A message's mask in the hands of its driver: interrupts when idle, polling when busy.
//!
//! Under load an interrupt for each frame tells what the driver knows: there is more. So its handler masks the
//! message and wakes the task; the task drains, and unmasks when nothing is left. Nothing is lost between the last
//! look and the unmask: what happens while an entry is masked sets its pending bit, and is sent with the unmask
//! (PCI 3.0, 6.8.3.4).

use alloc::sync::Arc;
use core::fmt;

use super::msix::Msix;

/// The mask of one MSI-X message. Taken from the grant, before the context is registered that holds it.
///
/// It masks besides its registration, which is delivered only when neither masks it; it does nothing once that is
/// gone. On a folded vector it masks the messages that share it, too.
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

    /// Holds the message back. From an ISR or a task; one that was sent already is still delivered.
    pub fn mask(&self) {
        self.table.set_polled(self.entry, self.owner, true);
    }

    /// Lets the message through; a pending one is sent at once.
    pub fn unmask(&self) {
        self.table.set_polled(self.entry, self.owner, false);
    }
}

impl fmt::Debug for MessageMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageMask").field("entry", &self.entry).finish_non_exhaustive()
    }
}
