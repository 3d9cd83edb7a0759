//! The functions of a machine: who drives them, and what they were granted.

mod presence;
mod record;
mod refusal;
mod table;

pub use presence::{Gone, Presence};
pub use record::State;
pub use refusal::{Reason, Refusal};

pub(super) use presence::{Away, RETRY};
pub(super) use record::{Record, Taken};

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::bar::BarFacts;
use crate::config::{Address, Class, Defect, HeaderKind};
use crate::function::claim::Function;
use crate::function::power::Buses;
use crate::interrupt::{Mode, Offers, Route};
use crate::machine::Machine;
use crate::sync::IrqLock;

/// Every function that was found, kept in order of address.
#[derive(Debug, Default)]
pub struct Inventory {
    records: IrqLock<Vec<Arc<Record>>>,
    refusals: IrqLock<Vec<Refusal>>,
    pub(super) buses: Buses,
}

impl Inventory {
    /// An empty inventory.
    #[must_use]
    pub const fn new() -> Self {
        Self { records: IrqLock::new(Vec::new()), refusals: IrqLock::new(Vec::new()), buses: Buses::new() }
    }

    pub(super) fn insert(&self, record: Arc<Record>) {
        self.buses.add(record.address());
        let mut records = self.records.lock();
        let place = records.partition_point(|other| other.address() < record.address());
        records.insert(place, record);
    }
}

impl Machine {
    /// Takes down what was left out, and tells of what is news.
    pub(super) fn refuse(&self, refusals: Vec<Refusal>) {
        refusals.iter().for_each(|refusal| self.inventory.buses.add(refusal.address));
        let known = core::mem::replace(&mut *self.inventory.refusals.lock(), refusals.clone());
        refusals.iter().filter(|refusal| !known.contains(refusal)).for_each(|refusal| log::warn!("{refusal}"));
    }

    /// The functions that were left out at the last scan, and why.
    #[must_use]
    pub fn refusals(&self) -> Vec<Refusal> {
        self.inventory.refusals.lock().clone()
    }

    /// The function at `address`, to be claimed; `None` when there is none or somebody has it.
    #[must_use]
    pub fn take(&'static self, address: Address) -> Option<Function> {
        Taken::take(self, &self.find(address)?).map(Function::new)
    }

    /// Every function that nobody has, to be claimed.
    #[must_use]
    pub fn take_all(&'static self) -> Vec<Function> {
        self.records().iter().filter_map(|record| Taken::take(self, record)).map(Function::new).collect()
    }

    /// What is known of every function.
    #[must_use]
    pub fn functions(&self) -> Vec<FunctionReport> {
        self.records().iter().map(|record| FunctionReport::new(record)).collect()
    }

    pub(super) fn records(&self) -> Vec<Arc<Record>> {
        self.inventory.records.lock().clone()
    }

    /// Removes the record of a function that is gone and that nobody has.
    pub(super) fn forget_if_gone(&self, record: &Arc<Record>) {
        if record.presence.is_gone() && !record.is_taken() {
            self.inventory.records.lock().retain(|other| !Arc::ptr_eq(other, record));
        }
    }

    /// The bridge whose secondary bus that function is on; none on a root bus.
    pub(crate) fn bridge_above(&self, function: Address) -> Option<Address> {
        let records = self.inventory.records.lock();
        let is_above = |record: &&Arc<Record>| {
            record.address().segment() == function.segment()
                && matches!(record.header().kind, HeaderKind::Bridge(bridge) if bridge.buses.secondary == function.bus())
        };
        // A bridge that says 0 was set up by nobody: bus 0 is a root bus.
        records.iter().find(is_above).map(|record| record.address()).filter(|_| function.bus() != 0)
    }

    pub(super) fn find(&self, address: Address) -> Option<Arc<Record>> {
        self.inventory.records.lock().iter().find(|record| record.address() == address).cloned()
    }
}

/// What is known of one function, for people and tools.
#[derive(Debug, Clone)]
pub struct FunctionReport {
    /// Segment, bus, device and function number.
    pub address: Address,
    /// Vendor ID.
    pub vendor: u16,
    /// Device ID.
    pub device: u16,
    /// Class code.
    pub class: Class,
    /// The driver that has it.
    pub driver: Option<&'static str>,
    /// How it fares.
    pub state: State,
    /// The interrupt modes that it offers.
    pub offers: Offers,
    /// The mode that its driver was granted.
    pub mode: Option<Mode>,
    /// Where its line leads, and who said so, when the mode is INTx.
    pub route: Option<Route>,
    /// Its BARs.
    pub bars: Vec<BarFacts>,
    /// Bytes of its expansion ROM, which is given no address.
    pub rom: Option<u64>,
    /// What it says of itself that is not believed.
    pub defects: Vec<Defect>,
}

impl FunctionReport {
    pub(super) fn new(record: &Record) -> Self {
        let status = record.status();
        Self {
            address: record.address(),
            vendor: record.header().vendor,
            device: record.header().device,
            class: record.header().class,
            driver: status.driver,
            state: status.state,
            offers: record.offers(),
            mode: status.mode,
            route: status.route,
            bars: record.bars.clone(),
            rom: record.rom,
            defects: record.defects.clone(),
        }
    }
}
