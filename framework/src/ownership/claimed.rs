//! What all parts of a claimed function share: its right to the bus, and its way back.

use super::pool::Pool;
use super::presence::{Gone, Presence};
use super::taken::Taken;
use crate::config::{Command, HeaderKind, MsiCapability, MsixCapability, Space, update_command, write_command};
use crate::inventory::Record;
use crate::machine::Machine;
use crate::sync::primitives::{AtomicBool, Ordering};

/// A function that somebody has. When the last part of it is gone, it is made quiet again, its DMA memory goes
/// back to the machine, and it can be taken anew; in this order, by the order of the fields.
#[derive(Debug)]
pub(crate) struct Claimed {
    pool: Pool,
    /// It broke the rules: it is let onto the bus no more.
    is_isolated: AtomicBool,
    taken: Taken,
}

impl Claimed {
    /// Makes what was taken quiet.
    pub(crate) fn new(taken: Taken) -> Self {
        let this = Self { pool: Pool::new(taken.machine().memory), is_isolated: AtomicBool::new(false), taken };
        this.quiesce();
        this
    }

    pub(crate) fn machine(&self) -> &'static Machine {
        self.taken.machine()
    }

    pub(crate) fn presence(&self) -> Presence {
        Presence::new(self.machine(), self.taken.record())
    }

    /// Whether the function is known to be gone. Its configuration space is not written then: another function may
    /// sit there by now.
    pub(crate) fn is_gone(&self) -> bool {
        self.record().watch.is_gone()
    }

    /// Asks the function whether it is still there.
    pub(crate) fn confirm(&self) -> Result<(), Gone> {
        self.machine().confirm(self.taken.record())
    }

    pub(crate) fn record(&self) -> &Record {
        self.taken.record()
    }

    pub(crate) fn space(&self) -> Space {
        self.record().space
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Lets the function write and read memory: its data, and its messages, which are memory writes too. Stays
    /// on until the function is given back or cut off, so nothing granted can lose it unawares.
    pub(crate) fn master_bus(&self) {
        if !self.is_isolated() {
            update_command(self.space(), |command| command | Command::BUS_MASTER_ENABLE);
        }
    }

    /// What messages need of Command, also after a reset took it away: to master the bus, and the pin silent.
    pub(crate) fn prepare_messages(&self) {
        if !self.is_isolated() {
            update_command(self.space(), |command| command | Command::BUS_MASTER_ENABLE | Command::INTERRUPT_DISABLE);
        }
    }

    /// What the line needs of Command: the pin lets go, or may pull.
    pub(crate) fn enable_pin(&self, is_enabled: bool) {
        update_command(self.space(), |mut command| {
            command.set(Command::INTERRUPT_DISABLE, !is_enabled || self.is_isolated());
            command
        });
    }

    pub(crate) fn isolate(&self) {
        self.is_isolated.store(true, Ordering::SeqCst);
        self.quiesce_if_present();
    }

    pub(crate) fn is_isolated(&self) -> bool {
        self.is_isolated.load(Ordering::SeqCst)
    }

    /// Takes it off the bus. When this comes back, nothing of it is on its way to memory.
    fn quiesce_if_present(&self) {
        if self.is_gone() {
            // Nothing is read and put back. This one value silences a function that only plays dead, is dropped
            // where there is none, and leaves one that has come since as it was found: without any right.
            write_command(self.space(), Command::INTERRUPT_DISABLE);
            return;
        }
        self.quiesce();
        // A read cannot overtake what the function wrote before it.
        let _ = self.space().read_u16(0);
    }

    fn quiesce(&self) {
        // A bridge's right to master the bus is that of all that is behind it.
        let master = match self.record().header().kind {
            HeaderKind::Bridge(_) => Command::empty(),
            _ => Command::BUS_MASTER_ENABLE,
        };
        let before = update_command(self.space(), |command| (command | Command::INTERRUPT_DISABLE) - master);
        // All ones, from a function that is there: a lie, and no reason to leave it on the bus.
        if before.bits() == u16::MAX {
            write_command(self.space(), Command::INTERRUPT_DISABLE);
        }
        let clear = |register: u16, bits: u16| self.space().update_u16(register, |control| control & !bits);
        if let Some(msi) = self.record().msi {
            clear(msi.offset + MsiCapability::CONTROL, MsiCapability::ENABLE);
        }
        if let Some(msix) = self.record().msix {
            clear(msix.offset + MsixCapability::CONTROL, MsixCapability::ENABLE | MsixCapability::FUNCTION_MASK);
        }
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        self.quiesce_if_present();
    }
}
