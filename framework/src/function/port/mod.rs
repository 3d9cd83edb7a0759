//! Claiming a port with a slot: its interrupts and its slot are a driver's; the buses behind it belong to whoever
//! drives what is there.

mod slot;

pub use slot::{CommandCompletion, HotPlugSlot, IndicatorState, SlotCommand, SlotEventSource, SlotEvents};

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::config::{Address, BusNumbers, Command, SlotCapabilities, Space, update_command};
use crate::function::claim::ClaimError;
use crate::function::config::Config;
use crate::function::handle::Function;
use crate::interrupt::InterruptPort;
use crate::inventory::{FunctionReport, Record};
use crate::mmio::UnmappedBar;
use crate::ownership::{Claimed, Presence, RETRY_VENDOR_ID};

impl Function {
    /// What the slot behind it can do, for a PCI Express port that has one.
    #[must_use]
    pub fn slot(&self) -> Option<SlotCapabilities> {
        self.record().facts.express?.slot
    }

    /// Claims a PCI Express port with a slot: silent, and forwarding as before.
    ///
    /// # Errors
    /// [`ClaimError::NoSlot`] for all other functions, [`ClaimError::Gone`].
    pub fn claim_port(self) -> Result<PortResources, ClaimError> {
        let record = self.record();
        let no_slot = ClaimError::NoSlot { address: record.address() };
        let express = record.facts.express.ok_or(no_slot)?;
        let slot = express.slot.ok_or(no_slot)?;
        let claimed = self.into_claimed()?;
        // To what is behind it, these are the right to be reached and to write.
        let forward = Command::IO_ENABLE | Command::MEMORY_ENABLE | Command::BUS_MASTER_ENABLE;
        update_command(claimed.space(), |command| command | forward);
        Ok(PortResources {
            bar0: UnmappedBar::new(claimed.clone(), 0),
            bar1: UnmappedBar::new(claimed.clone(), 1),
            irq: InterruptPort::new(claimed.clone()),
            slot: HotPlugSlot::new(claimed.clone(), express.offset, slot),
            message: express.message,
            bus: SecondaryBus::new(claimed.clone()),
            presence: claimed.presence(),
            config: Config::new(claimed),
        })
    }
}

/// What a claimed port consists of. Each part moves out once; the port stays claimed while any part lives.
#[derive(Debug)]
pub struct PortResources {
    /// Base address register 0.
    pub bar0: UnmappedBar,
    /// Base address register 1.
    pub bar1: UnmappedBar,
    /// Its interrupts, to be granted as a line or as messages.
    pub irq: InterruptPort,
    /// The message by which it announces what happens at its slot, when it has several.
    pub message: u8,
    /// Its slot.
    pub slot: HotPlugSlot,
    /// What is behind it.
    pub bus: SecondaryBus,
    /// Its configuration space, to read.
    pub config: Config,
    /// Whether it is still there itself.
    pub presence: Presence,
}

/// The buses behind a port, and the functions on them.
#[derive(Debug, Clone)]
pub struct SecondaryBus {
    claimed: Arc<Claimed>,
    numbers: Option<BusNumbers>,
}

impl SecondaryBus {
    fn new(claimed: Arc<Claimed>) -> Self {
        let numbers = BusNumbers::read(claimed.space());
        let is_numbered = numbers.secondary > claimed.record().address().bus();
        let is_sane = is_numbered && numbers.secondary <= numbers.subordinate;
        Self { claimed, numbers: is_sane.then_some(numbers) }
    }

    /// The buses' numbers, as they were when the port was claimed; `None` when nobody had numbered them.
    #[must_use]
    pub fn numbers(&self) -> Option<BusNumbers> {
        self.numbers
    }

    /// Whether the function at `address` is behind the port.
    #[must_use]
    pub fn contains(&self, address: Address) -> bool {
        let segment = self.claimed.record().address().segment();
        let is_behind = |numbers: BusNumbers| (numbers.secondary..=numbers.subordinate).contains(&address.bus());
        address.segment() == segment && self.numbers.is_some_and(is_behind)
    }

    /// What is known of the functions behind the port.
    #[must_use]
    pub fn functions(&self) -> Vec<FunctionReport> {
        self.records().iter().map(|record| FunctionReport::new(record)).collect()
    }

    /// Whether a function answers right behind the port. `None` while it asks for more time after its reset.
    #[must_use]
    pub fn answers(&self) -> Option<bool> {
        let Some(numbers) = self.numbers else { return Some(false) };
        let address = Address::new(self.claimed.record().address().segment(), numbers.secondary, 0, 0);
        match Space::new(self.claimed.machine().config, address).read_u16(0) {
            RETRY_VENDOR_ID => None,
            vendor => Some(vendor != u16::MAX),
        }
    }

    /// Whether all functions that were found behind the port are still there; those that are not are withdrawn.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        let machine = self.claimed.machine();
        self.records().iter().filter(|record| machine.confirm(record).is_err()).count() == 0
    }

    /// Says that everything behind the port is gone. Returns how many functions that was.
    pub fn mark_removed(&self) -> usize {
        let records = self.records();
        records.iter().for_each(|record| self.claimed.machine().mark_gone(record));
        records.len()
    }

    fn records(&self) -> Vec<Arc<Record>> {
        let mut records = self.claimed.machine().inventory.records();
        records.retain(|record| self.contains(record.address()));
        records
    }
}
