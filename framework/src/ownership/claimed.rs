//! The state that all resources of a claimed function share: its ownership, its Command register, and its DMA memory.

use alloc::boxed::Box;
use alloc::sync::Arc;

use super::pool::DmaPool;
use super::presence::{Gone, Presence};
use super::taken::Taken;
use crate::config::{Command, HeaderKind, MsiCapability, MsixCapability, Space, update_command, write_command};
use crate::inventory::{FunctionState, Record};
use crate::machine::Machine;
use crate::sync::primitives::{AtomicBool, Ordering};
use crate::vector::{Activity, ShowActivity};

/// A claimed function. When its last resource is dropped, it is quiesced, its DMA memory is released to the machine, and it can
/// be taken again; in this order (the fields drop in their order).
#[derive(Debug)]
pub(crate) struct Claimed {
    pool: DmaPool,
    /// Its driver isolated it: bus mastering stays off.
    is_isolated: AtomicBool,
    taken: Taken,
}

impl Claimed {
    /// Quiesces a taken function.
    pub(crate) fn new(taken: Taken) -> Self {
        let this = Self { pool: DmaPool::new(taken.machine().memory), is_isolated: AtomicBool::new(false), taken };
        this.quiesce();
        this
    }

    pub(crate) fn machine(&self) -> &'static Machine {
        self.taken.machine()
    }

    pub(crate) fn presence(&self) -> Presence {
        Presence::new(self.machine(), self.taken.record())
    }

    /// Returns whether the function was removed. Its configuration space is not written then: another function may be at its
    /// address.
    pub(crate) fn is_gone(&self) -> bool {
        self.record().watch.is_gone()
    }

    /// Checks by a read of its ids whether the function is present.
    pub(crate) fn confirm(&self) -> Result<(), Gone> {
        self.machine().confirm(self.taken.record())
    }

    pub(crate) fn record(&self) -> &Record {
        self.taken.record()
    }

    pub(crate) fn space(&self) -> Space {
        self.record().space
    }

    pub(crate) fn pool(&self) -> &DmaPool {
        &self.pool
    }

    /// Turns bus mastering on: DMA, and messages, which are memory writes. It stays on until the function is released or
    /// isolated, so that nothing that was granted stops working.
    pub(crate) fn enable_bus_mastering(&self) {
        if !self.is_isolated() {
            update_command(self.space(), |command| command | Command::BUS_MASTER_ENABLE);
        }
    }

    /// Sets the Command register for messages (again, after a reset): bus mastering on, the pin disabled.
    pub(crate) fn prepare_messages(&self) {
        if !self.is_isolated() {
            update_command(self.space(), |command| command | Command::BUS_MASTER_ENABLE | Command::INTERRUPT_DISABLE);
        }
    }

    /// Enables or disables the pin in the Command register. The pin of an isolated function stays disabled.
    pub(crate) fn enable_pin(&self, is_enabled: bool) {
        update_command(self.space(), |mut command| {
            command.set(Command::INTERRUPT_DISABLE, !is_enabled || self.is_isolated());
            command
        });
    }

    pub(crate) fn isolate(&self) {
        self.is_isolated.store(true, Ordering::SeqCst);
        self.record().update(|status| {
            if status.state == FunctionState::Live {
                status.state = FunctionState::Isolated;
            }
        });
        self.quiesce_if_present();
    }

    pub(crate) fn is_isolated(&self) -> bool {
        self.is_isolated.load(Ordering::SeqCst)
    }

    /// Returns a function that shows what `activity` does while the function is present, claimed and not isolated. It does not
    /// keep the function claimed.
    pub(crate) fn while_in_use(
        claimed: &Arc<Self>,
        activity: impl Fn() -> Activity + Send + Sync + 'static,
    ) -> ShowActivity {
        let claimed = Arc::downgrade(claimed);
        Box::new(move || match claimed.upgrade() {
            Some(claimed) if !claimed.is_gone() && !claimed.is_isolated() => activity(),
            _ => Activity::IDLE,
        })
    }

    /// Quiesces the function. Afterwards, all writes that it sent have arrived in memory.
    fn quiesce_if_present(&self) {
        if self.is_gone() {
            // A blind write, without reading first. It quiesces a function that only pretended to be removed, is ignored when
            // the slot is empty, and changes nothing for a new function, which starts with bus mastering off.
            write_command(self.space(), Command::INTERRUPT_DISABLE);
            return;
        }
        self.quiesce();
        // The completion of a read cannot pass the writes that the function sent before it.
        let _ = self.space().read_u16(0);
    }

    fn quiesce(&self) {
        // A bridge without bus mastering forwards no DMA of the functions behind it.
        let master = match self.record().header().kind {
            HeaderKind::Bridge(_) => Command::empty(),
            _ => Command::BUS_MASTER_ENABLE,
        };
        let before = update_command(self.space(), |command| (command | Command::INTERRUPT_DISABLE) - master);
        // All ones from a function that is not known to be removed: write the register anyway.
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
