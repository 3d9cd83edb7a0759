//! Claiming: a function becomes quiet, and comes apart into resources.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use super::bus::BusPort;
use super::power::PowerState;
use super::presence::{Gone, Presence};
use super::record::{Record, Taken};
use super::saved::{BarLost, restore_bars};
use super::settle::{SettleError, Settling};
use crate::bar::BarSlot;
use crate::config::{
    Address, Capability, Class, Command, ExpressCapability, ExtendedCapability, Header, HeaderKind, MsiCapability,
    MsixCapability, PowerCapability, Space, VirtioCapability, update_command, write_command,
};
use crate::dma::{DmaPort, Pool};
use crate::interrupt::{InterruptPort, Offers};
use crate::machine::Machine;

/// A function that was found and that nobody drives. There is one of these for each function at a time.
#[derive(Debug)]
pub struct Function {
    taken: Taken,
}

impl Function {
    pub(crate) fn new(taken: Taken) -> Self {
        Self { taken }
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> Address {
        self.record().address()
    }

    /// Vendor ID and Device ID.
    #[must_use]
    pub fn id(&self) -> (u16, u16) {
        (self.record().header().vendor, self.record().header().device)
    }

    /// Class code.
    #[must_use]
    pub fn class(&self) -> Class {
        self.record().header().class
    }

    /// The interrupt modes that it offers.
    #[must_use]
    pub fn offers(&self) -> Offers {
        self.record().offers()
    }

    /// The machine that it is part of.
    #[must_use]
    pub fn machine(&self) -> &'static Machine {
        self.taken.machine()
    }

    /// Whether it is still there, for whoever wants to know later.
    #[must_use]
    pub fn presence(&self) -> Presence {
        Presence::new(self.machine(), self.record())
    }

    /// Makes the function quiet and hands out its resources: no interrupt in any mode, no bus mastering,
    /// decoding on. One that sleeps is woken first, which takes some 20 ms.
    ///
    /// # Errors
    /// [`ClaimError`] for bridges, for functions that no longer answer, and for those that do not wake.
    pub fn claim(self) -> Result<Resources, ClaimError> {
        let record = self.taken.record();
        if record.header().kind != HeaderKind::Endpoint {
            return Err(ClaimError::NotAnEndpoint { address: record.address() });
        }
        let claimed = self.into_claimed()?;
        let decode = claimed.record().decodable();
        update_command(claimed.space(), |command| command | decode);
        let bar = |index| BarSlot::new(claimed.clone(), index);
        Ok(Resources {
            bar0: bar(0),
            bar1: bar(1),
            bar2: bar(2),
            bar3: bar(3),
            bar4: bar(4),
            bar5: bar(5),
            irq: InterruptPort::new(claimed.clone()),
            dma: DmaPort::new(claimed.clone()),
            bus: BusPort::new(claimed.clone()),
            presence: claimed.presence(),
            config: Config::new(claimed),
        })
    }

    /// Claims the function, whatever it is: awake, its BARs in their place, and quiet.
    pub(super) fn into_claimed(self) -> Result<Arc<Claimed>, ClaimError> {
        self.machine().confirm(self.record())?;
        let this = match self.power_state() {
            PowerState::D0 => self,
            _ => Settling::wake(self).wait()?,
        };
        restore_bars(this.record())?;
        let pool = Pool::new(this.machine().memory);
        let claimed = Arc::new(Claimed { pool, is_cut: AtomicBool::new(false), taken: this.taken });
        claimed.quiet();
        Ok(claimed)
    }

    pub(crate) fn record(&self) -> &Arc<Record> {
        self.taken.record()
    }
}

/// What a claimed function consists of. Each part moves out once; the function stays claimed while any part,
/// or anything made from one, lives.
#[derive(Debug)]
pub struct Resources {
    /// Base address register 0.
    pub bar0: BarSlot,
    /// Base address register 1.
    pub bar1: BarSlot,
    /// Base address register 2.
    pub bar2: BarSlot,
    /// Base address register 3.
    pub bar3: BarSlot,
    /// Base address register 4.
    pub bar4: BarSlot,
    /// Base address register 5.
    pub bar5: BarSlot,
    /// Its interrupts, to be granted as a line or as messages.
    pub irq: InterruptPort,
    /// Memory that it can reach.
    pub dma: DmaPort,
    /// Its way onto the bus, to be cut if it breaks the rules.
    pub bus: BusPort,
    /// Its configuration space, to read.
    pub config: Config,
    /// Whether it is still there.
    pub presence: Presence,
}

/// The configuration space of a claimed function. To read only: what may be written there (Command, BARs, the
/// interrupt capabilities) belongs to the typestates.
#[derive(Debug)]
pub struct Config {
    claimed: Arc<Claimed>,
}

impl Config {
    pub(super) fn new(claimed: Arc<Claimed>) -> Self {
        Self { claimed }
    }

    /// Where the function is.
    #[must_use]
    pub fn address(&self) -> Address {
        self.claimed.record().address()
    }

    /// The subsystem's vendor and device.
    #[must_use]
    pub fn subsystem(&self) -> Option<(u16, u16)> {
        self.claimed.record().facts.subsystem
    }

    /// Its capability list.
    #[must_use]
    pub fn capabilities(&self) -> Vec<Capability> {
        self.claimed.record().facts.capabilities.entries.clone()
    }

    /// Its extended capability list.
    #[must_use]
    pub fn extended_capabilities(&self) -> Vec<ExtendedCapability> {
        self.claimed.record().facts.extended_capabilities()
    }

    /// Its header, as it was when the function was found.
    #[must_use]
    pub fn header(&self) -> Header {
        *self.claimed.record().header()
    }

    /// Its PCI Express capability.
    #[must_use]
    pub fn express(&self) -> Option<ExpressCapability> {
        self.claimed.record().facts.express
    }

    /// Its power management capability.
    #[must_use]
    pub fn power(&self) -> Option<PowerCapability> {
        self.claimed.record().facts.power
    }

    /// Its virtio capabilities, in the order of the list; none for a device that is not of virtio's vendor.
    #[must_use]
    pub fn virtio_capabilities(&self) -> Vec<VirtioCapability> {
        crate::config::virtio_capabilities(self.claimed.space(), &self.claimed.record().facts)
    }

    /// Reads one byte.
    #[must_use]
    pub fn read_u8(&self, offset: u16) -> u8 {
        self.claimed.space().read_u8(offset)
    }

    /// Reads two bytes at an even offset.
    #[must_use]
    pub fn read_u16(&self, offset: u16) -> u16 {
        self.claimed.space().read_u16(offset)
    }

    /// Reads four bytes at an offset divisible by four.
    #[must_use]
    pub fn read_u32(&self, offset: u16) -> u32 {
        self.claimed.space().read_u32(offset)
    }
}

/// A function that somebody has. When the last part of it is gone, it is made quiet again, its DMA memory goes
/// back to the machine, and it can be taken anew; in this order, by the order of the fields.
#[derive(Debug)]
pub(crate) struct Claimed {
    pool: Pool,
    /// It broke the rules: it is let onto the bus no more.
    is_cut: AtomicBool,
    taken: Taken,
}

impl Claimed {
    pub(crate) fn machine(&self) -> &'static Machine {
        self.taken.machine()
    }

    pub(crate) fn presence(&self) -> Presence {
        Presence::new(self.machine(), self.taken.record())
    }

    /// Whether the function is known to be gone. Its configuration space is not written then: another function may
    /// sit there by now.
    pub(crate) fn is_gone(&self) -> bool {
        self.record().presence.is_gone()
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
        if !self.is_cut() {
            update_command(self.space(), |command| command | Command::BUS_MASTER_ENABLE);
        }
    }

    /// What messages need of Command, also after a reset took it away: to master the bus, and the pin silent.
    pub(crate) fn prepare_messages(&self) {
        if !self.is_cut() {
            update_command(self.space(), |command| command | Command::BUS_MASTER_ENABLE | Command::INTERRUPT_DISABLE);
        }
    }

    /// What the line needs of Command: the pin lets go, or may pull.
    pub(crate) fn enable_pin(&self, is_enabled: bool) {
        update_command(self.space(), |mut command| {
            command.set(Command::INTERRUPT_DISABLE, !is_enabled || self.is_cut());
            command
        });
    }

    pub(super) fn cut(&self) {
        self.is_cut.store(true, Ordering::SeqCst);
        self.silence();
    }

    pub(super) fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::SeqCst)
    }

    /// Takes it off the bus. When this comes back, nothing of it is on its way to memory.
    fn silence(&self) {
        if self.is_gone() {
            // Nothing is read and put back. This one value silences a function that only plays dead, is dropped
            // where there is none, and leaves one that has come since as it was found: without any right.
            write_command(self.space(), Command::INTERRUPT_DISABLE);
            return;
        }
        self.quiet();
        // A read cannot overtake what the function wrote before it.
        let _ = self.space().read_u16(0);
    }

    fn quiet(&self) {
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
        self.silence();
    }
}

/// Why a function was not claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimError {
    /// Only functions with a type 0 header have what a driver claims.
    #[error("{address} is a bridge, not an endpoint")]
    NotAnEndpoint {
        /// The function.
        address: Address,
    },
    /// It is no PCI Express port with a slot.
    #[error("{address} has no slot")]
    NoSlot {
        /// The function.
        address: Address,
    },
    /// It answers no longer, or as something else.
    #[error(transparent)]
    Gone(#[from] Gone),
    /// It sleeps, and does not wake.
    #[error(transparent)]
    Settle(#[from] SettleError),
    /// It does not answer where it is to.
    #[error(transparent)]
    Lost(#[from] BarLost),
}
