//! Claiming a PCI Express port with a slot: its driver gets the interrupts and the slot, and the buses behind it stay
//! available to the drivers of the functions there.

mod command;
mod slot;

pub use command::{CommandCompletion, IndicatorState, SlotCommand};
pub use slot::{HotPlugSlot, SlotEventSource, SlotEvents};

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU8, Ordering};

use crate::config::{Address, BusNumbers, Command, SlotCapabilities, Space, update_command};
use crate::function::claim::ClaimError;
use crate::function::config::Config;
use crate::function::handle::Function;
use crate::interrupt::InterruptPort;
use crate::inventory::{FunctionReport, Record};
use crate::mmio::UnmappedBar;
use crate::ownership::{Claimed, Presence, RETRY_VENDOR_ID};

impl Function {
    /// Returns the capabilities of the slot, for a PCI Express port that has one.
    #[must_use]
    pub fn slot(&self) -> Option<SlotCapabilities> {
        self.record().facts.express?.slot
    }

    /// Claims a PCI Express port with a slot. Its own interrupts are off; it forwards accesses to and from the buses behind it.
    ///
    /// # Errors
    /// [`ClaimError::NoSlot`] for all other functions, [`ClaimError::Gone`].
    pub fn claim_port(self) -> Result<PortResources, ClaimError> {
        let record = self.record();
        let no_slot = ClaimError::NoSlot { address: record.address() };
        let express = record.facts.express.ok_or(no_slot)?;
        let slot = express.slot.ok_or(no_slot)?;
        let claimed = self.into_claimed()?;
        // The port forwards accesses to the functions behind it, and their DMA, only with these bits.
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

/// The resources of a claimed port. Each can be moved out once; the port stays claimed while any resource lives.
///
/// ```
/// use switchboard::function::PortResources;
/// # use switchboard_testing::{FakeFunction, FakeMachine};
///
/// # let port = FakeFunction::new(0x1b36, 0x000c).at("00:02.0").root_port(1, 0x5b).msi(1);
/// # let fake = FakeMachine::new([port, FakeFunction::new(0x1af4, 0x1041).at("01:00.0")]);
/// # let port = fake.machine().take(switchboard::config::Address::new(0, 0, 2, 0)).unwrap();
/// let PortResources { irq, slot, bus, .. } = port.claim_port()?;
/// assert!(slot.capabilities().is_hot_plug_capable());
/// assert_eq!(irq.offers().msi, 1);
/// assert_eq!(bus.functions().len(), 1);
/// # Ok::<(), switchboard::driver::ProbeError>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct PortResources {
    /// Base address register 0.
    pub bar0: UnmappedBar,
    /// Base address register 1.
    pub bar1: UnmappedBar,
    /// The interrupts, to be granted as a line or as messages.
    pub irq: InterruptPort,
    /// The Interrupt Message Number: which of its messages the port sends for slot events.
    pub message: u8,
    /// The slot.
    pub slot: HotPlugSlot,
    /// The buses behind the port.
    pub bus: SecondaryBus,
    /// The configuration space of the port, read-only.
    pub config: Config,
    /// The presence of the port itself.
    pub presence: Presence,
}

/// The buses behind a port, and the functions on them.
///
/// ```
/// # use switchboard_testing::{FakeFunction, FakeMachine};
/// # let port = FakeFunction::new(0x1b36, 0x000c).at("00:02.0").root_port(1, 0x5b);
/// # let fake = FakeMachine::new([port, FakeFunction::new(0x1af4, 0x1041).at("01:00.0")]);
/// # let port = fake.machine().take(switchboard::config::Address::new(0, 0, 2, 0)).unwrap();
/// # let bus = port.claim_port()?.bus;
/// let card = bus.functions()[0].address;
/// assert!(bus.contains(card) && bus.is_intact());
///
/// // The card is pulled out.
/// # fake.remove(card);
/// assert_eq!(bus.answers(), Some(false));
/// assert!(!bus.is_intact());
/// assert!(bus.functions().is_empty());
/// # Ok::<(), switchboard::driver::ProbeError>(())
/// ```
#[derive(Debug, Clone)]
pub struct SecondaryBus {
    claimed: Arc<Claimed>,
    /// When the port was claimed.
    numbers: Option<BusNumbers>,
    /// The highest number known: a scan gives more to a port for a bridge that was added.
    highest: Arc<AtomicU8>,
}

impl SecondaryBus {
    fn new(claimed: Arc<Claimed>) -> Self {
        let numbers = BusNumbers::read(claimed.space());
        let is_numbered = numbers.secondary > claimed.record().address().bus();
        let is_sane = is_numbered && numbers.secondary <= numbers.subordinate;
        let highest = Arc::new(AtomicU8::new(numbers.subordinate));
        Self { claimed, numbers: is_sane.then_some(numbers), highest }
    }

    /// Returns the bus numbers, or `None` when none were assigned. A scan may give more to the port, for a bridge that was added.
    #[must_use]
    pub fn numbers(&self) -> Option<BusNumbers> {
        let known = self.numbers?;
        let now = BusNumbers::read(self.claimed.space());
        // A port that was removed keeps those that it had.
        if (now.primary, now.secondary) == (known.primary, known.secondary) {
            self.highest.store(now.subordinate, Ordering::Relaxed);
        }
        Some(BusNumbers { subordinate: self.highest.load(Ordering::Relaxed), ..known })
    }

    /// Returns whether `address` is on a bus behind the port.
    #[must_use]
    pub fn contains(&self, address: Address) -> bool {
        let segment = self.claimed.record().address().segment();
        let is_behind = |numbers: BusNumbers| (numbers.secondary..=numbers.subordinate).contains(&address.bus());
        address.segment() == segment && self.numbers().is_some_and(is_behind)
    }

    /// Returns a report of each function behind the port.
    #[must_use]
    pub fn functions(&self) -> Vec<FunctionReport> {
        self.records().iter().map(|record| FunctionReport::new(record)).collect()
    }

    /// Returns whether a function responds directly behind the port, or `None` while it requests more time after a reset
    /// (Configuration Request Retry Status).
    #[must_use]
    pub fn answers(&self) -> Option<bool> {
        let Some(numbers) = self.numbers else { return Some(false) };
        let address = Address::new(self.claimed.record().address().segment(), numbers.secondary, 0, 0);
        match Space::new(self.claimed.machine().config, address).read_u16(0) {
            RETRY_VENDOR_ID => None,
            vendor => Some(vendor != u16::MAX),
        }
    }

    /// Checks every function that was found behind the port, and marks those that do not respond as removed. Returns whether all
    /// responded.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        let machine = self.claimed.machine();
        self.records().iter().filter(|record| machine.confirm(record).is_err()).count() == 0
    }

    /// Marks every function behind the port as removed. Returns their number.
    pub fn mark_removed(&self) -> usize {
        let records = self.records();
        records.iter().for_each(|record| self.claimed.machine().mark_gone(record));
        records.len()
    }

    fn records(&self) -> Vec<Arc<Record>> {
        let mut records = self.claimed.machine().inventory.records();
        let segment = self.claimed.record().address().segment();
        let buses = self.numbers().map(|numbers| numbers.secondary..=numbers.subordinate);
        let is_behind = |address: Address| {
            address.segment() == segment && buses.as_ref().is_some_and(|buses| buses.contains(&address.bus()))
        };
        records.retain(|record| is_behind(record.address()));
        records
    }
}
