//! The vectors of a CPU: which are free, who serves the others, and what they counted.

#![expect(unsafe_code, reason = "the door between the entry stubs and the slots")]

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use super::counters::{InterruptCounters, InterruptReport};
use super::slot::{HandlerBox, VectorSlot};
use crate::config::Address;
use crate::platform::Vector;
use crate::sync::IrqLock;
use crate::sync::primitives::{AtomicU64, AtomicUsize, Ordering, planted};

/// The first vector that is not an exception (SDM vol. 3, 6.2).
const FIRST: usize = 32;
/// The vectors from here on are the machine's own: timer, errors, spurious.
const END: usize = 0xf0;
/// One vector in so many is left for functions that have none: a function with 2,048 messages cannot take them all.
const RESERVE: usize = 8;

/// The vectors of one CPU.
pub struct VectorTable {
    slots: [VectorSlot; 256],
    used: IrqLock<[bool; 256]>,
    counters: IrqLock<Vec<Arc<InterruptCounters>>>,
    limit: AtomicUsize,
    spurious: AtomicU64,
    cpu: u32,
}

impl VectorTable {
    /// The vectors of the CPU with that local APIC id, all free.
    #[must_use]
    pub const fn new(cpu: u32) -> Self {
        Self {
            slots: [const { VectorSlot::new() }; 256],
            used: IrqLock::new([false; 256]),
            counters: IrqLock::new(Vec::new()),
            limit: AtomicUsize::new(END - FIRST),
            spurious: AtomicU64::new(0),
            cpu,
        }
    }

    /// Lets no more than `count` vectors be taken, to see how a machine fares that runs out of them.
    pub(crate) fn limit(&self, count: usize) {
        self.limit.store(count, Ordering::Relaxed);
    }

    /// Allocates `count` neighbouring vectors, the first a multiple of `align`. MSI demands a power of two for both
    /// (PCI 3.0, 6.8.1.6: the function changes the low bits of the data). The first vector of a function may be the last that is
    /// free; `is_first` is false for all others, which leave one in [`RESERVE`] to other functions.
    ///
    /// # Errors
    /// [`VectorsExhausted`], with the number that could be allocated.
    pub(crate) fn allocate(
        &'static self,
        count: usize,
        align: usize,
        is_first: bool,
    ) -> Result<VectorBlock, VectorsExhausted> {
        let mut used = self.used.lock();
        let reserve = if is_first { 0 } else { self.limit.load(Ordering::Relaxed) / RESERVE };
        let free = self.free_of(&used[..]).saturating_sub(reserve);
        let exhausted = VectorsExhausted { wanted: count, free };
        if count == 0 || count > free {
            return Err(exhausted);
        }
        let mut starts = (FIRST..END).filter(|start| start.is_multiple_of(align) && start + count <= END);
        let first = starts.find(|start| used[*start..*start + count].iter().all(|used| !used)).ok_or(exhausted)?;
        used[first..first + count].fill(true);
        Ok(VectorBlock { table: self, first, count })
    }

    /// Vectors that are still free.
    pub(crate) fn free(&self) -> usize {
        self.free_of(&self.used.lock()[..])
    }

    fn free_of(&self, used: &[bool]) -> usize {
        self.limit.load(Ordering::Relaxed).saturating_sub(used.iter().filter(|used| **used).count())
    }

    /// Serves one delivery of `vector`. The caller sends the EOI afterwards.
    ///
    /// # Safety
    /// Only from the interrupt entry of the CPU that owns this table, with interrupts off: two deliveries of
    /// one vector never overlap.
    #[inline]
    pub unsafe fn dispatch(&self, vector: u8) {
        // SAFETY: the caller's promise is the same.
        unsafe { self.slots[usize::from(vector)].dispatch() };
    }

    /// Counts a spurious delivery of the local APIC, which gets no EOI (SDM vol. 3, 11.9).
    pub fn count_spurious(&self) {
        self.spurious.fetch_add(1, Ordering::Relaxed);
    }

    /// Spurious deliveries so far.
    pub(crate) fn spurious(&self) -> u64 {
        self.spurious.load(Ordering::Relaxed)
    }

    /// Deliveries to vectors that nobody serves: forged, stray, or late messages.
    pub(crate) fn unexpected(&self) -> u64 {
        self.slots.iter().map(VectorSlot::unexpected).sum()
    }

    /// What every registered handler counted.
    #[must_use]
    pub(crate) fn report(&self) -> Vec<InterruptReport> {
        let counters = self.counters.lock().clone();
        counters.iter().map(|counters| counters.report()).collect()
    }

    /// Calls `act` with every vector that serves the function at `address`.
    pub(crate) fn each_of(&self, address: Address, mut act: impl FnMut(Vector)) {
        let counters = self.counters.lock();
        // What was not allocated reports vector 0.
        let served = counters
            .iter()
            .filter(|counters| counters.function == address && usize::from(counters.vector.number()) >= FIRST);
        served.for_each(|counters| act(counters.vector));
    }

    pub(crate) fn add_counters(&self, counters: Arc<InterruptCounters>) {
        let mut all = self.counters.lock();
        let place = all.partition_point(|other| other.vector <= counters.vector);
        all.insert(place, counters);
    }

    pub(crate) fn remove_counters(&self, counters: &Arc<InterruptCounters>) {
        self.counters.lock().retain(|other| !Arc::ptr_eq(other, counters));
    }
}

impl fmt::Debug for VectorTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VectorTable").field("cpu", &self.cpu).finish_non_exhaustive()
    }
}

/// No run of free vectors was long enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("out of vectors: {wanted} wanted, {free} free")]
pub struct VectorsExhausted {
    /// Vectors asked for.
    pub wanted: usize,
    /// Vectors that were free, not necessarily side by side.
    pub free: usize,
}

/// Neighbouring vectors, owned: dropping takes their handlers out, waits for those that run, and frees them.
pub(crate) struct VectorBlock {
    table: &'static VectorTable,
    first: usize,
    count: usize,
}

impl VectorBlock {
    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The vector at `index`, or `None` past the end.
    pub(crate) fn vector(&self, index: usize) -> Option<Vector> {
        let number = (index < self.count).then_some(self.first + index)?;
        Some(Vector::new(self.table.cpu, u8::try_from(number).ok()?))
    }

    /// Puts a handler into (or takes it out of) the slot at `index`; see [`VectorSlot::replace`].
    pub(crate) fn replace(&self, index: usize, handler: Option<HandlerBox>) -> Option<HandlerBox> {
        assert!(index < self.count, "slot {index} of a block of {}", self.count);
        self.table.slots[self.first + index].replace(handler)
    }

    /// Waits until none of its handlers is being called. With their source masked, none will be.
    pub(crate) fn wait_idle(&self) {
        for slot in &self.table.slots[self.first..self.first + self.count] {
            slot.wait_idle();
        }
    }
}

impl Drop for VectorBlock {
    fn drop(&mut self) {
        for index in 0..self.count {
            planted!(drop(self.replace(index, None)), "freed-with-handlers" => ());
        }
        self.table.used.lock()[self.first..self.first + self.count].fill(false);
    }
}

impl fmt::Debug for VectorBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VectorBlock").field("first", &self.first).field("count", &self.count).finish()
    }
}
