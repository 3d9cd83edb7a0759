//! The faults of a bench, decided at each access, message and allocation.

use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::Mutex;

use super::injection::Injected;

/// The number of accesses of each kind since the bench was started or the fault was set.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) reads: AtomicU64,
    pub(super) interrupts: AtomicU64,
    pub(super) allocations: AtomicU64,
}

/// The fault that is injected, if any, and what is counted for it.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) counts: Counts,
    fault: Mutex<Option<Injected>>,
}

/// The fate of an interrupt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Delivered,
    Lost,
    Twice,
    Late,
}

impl Faults {
    fn get(&self) -> Option<Injected> {
        *self.fault.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Returns whether a use of the device may wait for ever.
    pub(super) fn may_stop_the_device(&self) -> bool {
        self.get().is_some_and(|fault| !fault.must_work())
    }

    /// Sets the fault, and counts from zero.
    pub(super) fn set(&self, fault: Option<Injected>) {
        let Counts { reads, interrupts, allocations } = &self.counts;
        [reads, interrupts, allocations].into_iter().for_each(|count| count.store(0, Ordering::SeqCst));
        *self.fault.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = fault;
    }

    /// Counts a read of a register. Returns whether it reads all ones.
    pub(super) fn reads_ones(&self) -> bool {
        let index = self.counts.reads.fetch_add(1, Ordering::Relaxed);
        match self.get() {
            Some(Injected::RegistersReadOnes { from } | Injected::Removed { from }) => index >= from,
            _ => false,
        }
    }

    /// Returns whether the device has been removed: no access reaches it.
    pub(super) fn is_removed(&self) -> bool {
        let reads = self.counts.reads.load(Ordering::Relaxed);
        matches!(self.get(), Some(Injected::Removed { from }) if reads > from)
    }

    /// Counts an interrupt, and returns what happens to it.
    pub(super) fn fate(&self) -> Fate {
        let index = self.counts.interrupts.fetch_add(1, Ordering::Relaxed);
        match self.get() {
            Some(Injected::InterruptLost { index: at }) if at == index => Fate::Lost,
            Some(Injected::InterruptTwice { index: at }) if at == index => Fate::Twice,
            Some(Injected::InterruptLate { index: at }) if at == index => Fate::Late,
            _ => Fate::Delivered,
        }
    }

    /// Counts an allocation of DMA memory. Returns whether it is refused.
    pub(super) fn refuses_memory(&self) -> bool {
        let index = self.counts.allocations.fetch_add(1, Ordering::Relaxed);
        matches!(self.get(), Some(Injected::MemoryRefused { index: at }) if at == index)
    }
}
