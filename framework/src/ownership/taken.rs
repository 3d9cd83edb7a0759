//! The exclusive ownership of a function.

use alloc::sync::Arc;

use crate::inventory::Record;
use crate::machine::Machine;

/// The right to be the one user of a function. Dropping gives it back, and lets go of the record of one that is
/// gone: another may come up in its place then.
#[derive(Debug)]
pub(crate) struct Taken {
    machine: &'static Machine,
    record: Arc<Record>,
}

impl Taken {
    pub(crate) fn take(machine: &'static Machine, record: &Arc<Record>) -> Option<Self> {
        let taken = record.take().then(|| Self { machine, record: record.clone() });
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
        // Given back, then looked whether it is gone; `mark_gone` does the two the other way round. So one of the two sees the other.
        self.record.release();
        self.machine.inventory.forget_if_gone(&self.record);
    }
}
