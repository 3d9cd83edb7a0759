//! The exclusive ownership of a function.

use alloc::sync::Arc;

use crate::inventory::{KeepsEnabled, Record};
use crate::machine::Machine;

/// Exclusive ownership of a function. Dropping releases it, and removes the record of a removed function from the inventory, so
/// that another function can appear at its address.
#[derive(Debug)]
pub(crate) struct Taken {
    machine: &'static Machine,
    record: Arc<Record>,
    /// Of a virtual function: what keeps it enabled. Dropped last.
    _enabled: Option<Arc<dyn KeepsEnabled>>,
}

impl Taken {
    pub(crate) fn take(machine: &'static Machine, record: &Arc<Record>) -> Option<Self> {
        let enabled = match &record.physical {
            Some(physical) => Some(physical.enabled.upgrade()?),
            None => None,
        };
        let taken = record.take().then(|| Self { machine, record: record.clone(), _enabled: enabled });
        taken.filter(|taken| !taken.record.watch.is_gone())
    }

    pub(crate) fn machine(&self) -> &'static Machine {
        self.machine
    }

    pub(crate) fn record(&self) -> &Arc<Record> {
        &self.record
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        // Release first, then check for removal; `mark_gone` does it in the opposite order. So at least one of the two sees the
        // other's change and removes the record.
        self.record.release();
        self.machine.inventory.forget_if_gone(&self.record);
    }
}
