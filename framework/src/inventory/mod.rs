//! The inventory: a record of each function that the scan found, with its driver and its granted interrupt mode.

mod buses;
mod msix_table;
mod record;
mod report;
mod watch;

pub use record::FunctionState;
pub use report::FunctionReport;

pub(crate) use buses::Buses;
pub(crate) use record::{KeepsEnabled, PhysicalFunction, Record};

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::config::{Address, HeaderKind, Refusal};
use crate::sync::IrqLock;

/// The functions that were found, in order of address, and those that are left out.
#[derive(Debug)]
pub(crate) struct Inventory {
    records: IrqLock<Vec<Arc<Record>>>,
    refusals: IrqLock<Vec<Refusal>>,
    buses: Buses,
}

impl Inventory {
    pub(crate) const fn new() -> Self {
        Self { records: IrqLock::new(Vec::new()), refusals: IrqLock::new(Vec::new()), buses: Buses::new() }
    }

    /// Returns the buses on which a function was found.
    pub(crate) fn buses(&self) -> &Buses {
        &self.buses
    }

    pub(crate) fn insert(&self, record: Arc<Record>) {
        self.buses.add(record.address());
        let mut records = self.records.lock();
        let place = records.partition_point(|other| other.address() < record.address());
        records.insert(place, record);
    }

    /// Replaces the list of functions that are left out, and logs the new ones.
    pub(crate) fn refuse(&self, refusals: Vec<Refusal>) {
        refusals.iter().for_each(|refusal| self.buses.add(refusal.address));
        let known = core::mem::replace(&mut *self.refusals.lock(), refusals.clone());
        refusals.iter().filter(|refusal| !known.contains(refusal)).for_each(|refusal| log::warn!("{refusal}"));
    }

    pub(crate) fn refusals(&self) -> Vec<Refusal> {
        self.refusals.lock().clone()
    }

    pub(crate) fn records(&self) -> Vec<Arc<Record>> {
        self.records.lock().clone()
    }

    pub(crate) fn find(&self, address: Address) -> Option<Arc<Record>> {
        self.records.lock().iter().find(|record| record.address() == address).cloned()
    }

    /// Removes the record of a function that is gone and that has no owner.
    pub(crate) fn forget_if_gone(&self, record: &Arc<Record>) {
        if record.watch.is_gone() && !record.is_taken() {
            self.records.lock().retain(|other| !Arc::ptr_eq(other, record));
        }
    }

    /// Returns the bridge whose secondary bus the function is on; `None` on a root bus.
    pub(crate) fn bridge_above(&self, function: Address) -> Option<Address> {
        let records = self.records.lock();
        let is_above = |record: &&Arc<Record>| {
            record.address().segment() == function.segment()
                && matches!(record.header().kind, HeaderKind::Bridge(bridge) if bridge.buses.secondary == function.bus())
        };
        // A bridge whose secondary bus is 0 was never numbered: bus 0 is a root bus.
        records.iter().find(is_above).map(|record| record.address()).filter(|_| function.bus() != 0)
    }
}
