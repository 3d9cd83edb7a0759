//! The vector table of a CPU: allocation of vectors, dispatch to their handlers, and the interrupt report.

#![expect(unsafe_code, reason = "interrupt entry code calls the slots")]

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use super::activity::Activity;
use super::counters::{InterruptCounters, InterruptReport};
use super::slot::{HandlerBox, VectorSlot};
use super::watch::{HandlerWatch, Look};
use crate::config::Address;
use crate::platform::Vector;
use crate::sync::IrqLock;
use crate::sync::primitives::{AtomicU64, AtomicUsize, Ordering, planted};

/// The first vector that is not an exception (SDM vol. 3, 6.2).
const FIRST: usize = 32;
/// The vectors from here on belong to the platform: timer, errors, spurious interrupts.
const END: usize = 0xf0;
/// One in this many vectors is reserved for functions that have none yet, so that a function with 2,048 messages cannot take all.
const RESERVE: usize = 8;

/// The interrupt vectors of one CPU: which are allocated, and which handler serves each.
///
/// The platform makes one for each CPU, calls [`dispatch`](Self::dispatch) from its interrupt entry, and passes the table to
/// [`Machine::new`](crate::machine::Machine::new). Drivers never see it; they are granted
/// [interrupts](crate::interrupt::InterruptPort).
pub struct VectorTable {
    slots: [VectorSlot; 256],
    used: IrqLock<[bool; 256]>,
    handlers: IrqLock<Vec<RegisteredHandler>>,
    /// Held while the context of a handler shows its activity. It disables interrupts, so that the handler does not run.
    looking: IrqLock<()>,
    limit: AtomicUsize,
    spurious: AtomicU64,
    cpu: u32,
}

impl VectorTable {
    /// Returns the table of the CPU with that number (on x86, the local APIC id), with all vectors free.
    #[must_use]
    pub const fn new(cpu: u32) -> Self {
        Self {
            slots: [const { VectorSlot::new() }; 256],
            used: IrqLock::new([false; 256]),
            handlers: IrqLock::new(Vec::new()),
            looking: IrqLock::new(()),
            limit: AtomicUsize::new(END - FIRST),
            spurious: AtomicU64::new(0),
            cpu,
        }
    }

    /// Limits the vectors that can be allocated to `count`, to test a machine that runs out of them.
    pub(crate) fn limit(&self, count: usize) {
        self.limit.store(count, Ordering::Relaxed);
    }

    /// Allocates `count` contiguous vectors, the first a multiple of `align`. MSI needs a power of two for both (PCI 3.0,
    /// 6.8.1.6: the function changes the low bits of the data). With `is_first`, for the first vector of a function, the last free
    /// vector can be allocated; without it, one in [`RESERVE`] vectors stays free for other functions.
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

    /// Returns the number of free vectors.
    pub(crate) fn free(&self) -> usize {
        self.free_of(&self.used.lock()[..])
    }

    fn free_of(&self, used: &[bool]) -> usize {
        self.limit.load(Ordering::Relaxed).saturating_sub(used.iter().filter(|used| **used).count())
    }

    /// Calls the handler of `vector` for one delivery. The caller sends the EOI afterwards.
    ///
    /// # Safety
    /// Only the interrupt entry of the CPU that owns this table calls this, with interrupts off, so that two deliveries of one
    /// vector never overlap.
    #[inline]
    pub unsafe fn dispatch(&self, vector: u8) {
        // SAFETY: the caller keeps the same contract.
        unsafe { self.slots[usize::from(vector)].dispatch() };
    }

    /// Counts a spurious interrupt of the local APIC, which gets no EOI (SDM vol. 3, 11.9).
    pub fn count_spurious(&self) {
        self.spurious.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the number of spurious interrupts.
    pub(crate) fn spurious(&self) -> u64 {
        self.spurious.load(Ordering::Relaxed)
    }

    /// Returns the number of deliveries to vectors without a handler: forged, stray, or late messages.
    pub(crate) fn unexpected(&self) -> u64 {
        self.slots.iter().map(VectorSlot::unexpected).sum()
    }

    /// Returns the counters of every registered handler, in order of vector.
    #[must_use]
    pub(crate) fn report(&self) -> Vec<InterruptReport> {
        let report = |handler: &RegisteredHandler| (handler.counters.clone(), handler.watch.report());
        let handlers: Vec<_> = self.handlers.lock().iter().map(report).collect();
        handlers.iter().map(|(counters, watch)| counters.report(*watch)).collect()
    }

    /// Calls `act` with every vector that serves the function at `address`.
    pub(crate) fn for_each_vector_of(&self, address: Address, mut act: impl FnMut(Vector)) {
        let handlers = self.handlers.lock();
        // Counters without a vector have vector 0.
        let vectors = handlers.iter().map(|handler| &handler.counters);
        let served = vectors.filter(|counters| counters.function == address && has_vector(counters));
        served.for_each(|counters| act(counters.vector));
    }

    /// Looks at each registered handler that is due at `now_ns`, and calls `act` with what was found. Returns when the next look
    /// is due, or `None` without a handler.
    pub(crate) fn look(&self, now_ns: u64, mut act: impl FnMut(&InterruptCounters, Look)) -> Option<u64> {
        let mut next_ns = None;
        let mut index = 0;
        loop {
            // Held for one handler at a time. One that is added or removed meanwhile may be left out, or be looked at twice.
            let looking = self.looking.lock();
            let Some((counters, mut due_ns)) = self.handler(index) else { break };
            let look = (due_ns <= now_ns && has_vector(&counters)).then(|| {
                // Not within the lock of the list: it may find that its function was removed.
                let activity = counters.activity();
                self.look_at(&counters, now_ns, activity, &mut due_ns)
            });
            drop(looking);
            if let Some(look) = look {
                act(&counters, look);
            }
            next_ns = Some(next_ns.map_or(due_ns, |next_ns: u64| next_ns.min(due_ns)));
            index += 1;
        }
        next_ns
    }

    fn handler(&self, index: usize) -> Option<(Arc<InterruptCounters>, u64)> {
        self.handlers.lock().get(index).map(|handler| (handler.counters.clone(), handler.watch.due_ns()))
    }

    fn look_at(&self, counters: &Arc<InterruptCounters>, now_ns: u64, activity: Activity, due_ns: &mut u64) -> Look {
        let mut handlers = self.handlers.lock();
        let Some(handler) = handlers.iter_mut().find(|handler| Arc::ptr_eq(&handler.counters, counters)) else {
            return Look::default();
        };
        let look = handler.watch.look(now_ns, activity, counters.claimed());
        *due_ns = handler.watch.due_ns();
        look
    }

    pub(crate) fn add_counters(&self, counters: Arc<InterruptCounters>) {
        let mut all = self.handlers.lock();
        let place = all.partition_point(|other| other.counters.vector <= counters.vector);
        all.insert(place, RegisteredHandler { counters, watch: HandlerWatch::new() });
    }

    /// Removes a handler, whose context is not being looked at afterwards.
    pub(crate) fn remove_counters(&self, counters: &Arc<InterruptCounters>) {
        self.handlers.lock().retain(|other| !Arc::ptr_eq(&other.counters, counters));
        drop(self.looking.lock());
    }
}

/// A registered handler, and the watch of it.
struct RegisteredHandler {
    counters: Arc<InterruptCounters>,
    watch: HandlerWatch,
}

fn has_vector(counters: &InterruptCounters) -> bool {
    usize::from(counters.vector.number()) >= FIRST
}

impl fmt::Debug for VectorTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VectorTable").field("cpu", &self.cpu).finish_non_exhaustive()
    }
}

/// There are not enough contiguous free vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("out of vectors: {wanted} wanted, {free} free")]
#[non_exhaustive]
pub struct VectorsExhausted {
    /// The number of vectors requested.
    pub wanted: usize,
    /// The number of vectors that were free, not necessarily contiguous.
    pub free: usize,
}

/// Contiguous vectors, owned. Dropping them removes their handlers, waits for those that run, and frees the vectors.
pub(crate) struct VectorBlock {
    table: &'static VectorTable,
    first: usize,
    count: usize,
}

impl VectorBlock {
    /// Returns the number of vectors.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Returns the vector at `index`, or `None` when it is out of bounds.
    pub(crate) fn vector(&self, index: usize) -> Option<Vector> {
        let number = (index < self.count).then_some(self.first + index)?;
        Some(Vector::new(self.table.cpu, u8::try_from(number).ok()?))
    }

    /// Puts a handler into the slot at `index` (with `None`: removes it); see [`VectorSlot::replace`].
    pub(crate) fn replace(&self, index: usize, handler: Option<HandlerBox>) -> Option<HandlerBox> {
        assert!(index < self.count, "slot {index} of a block of {}", self.count);
        self.table.slots[self.first + index].replace(handler)
    }

    /// Waits until none of the handlers is running. With their source masked, none starts afterwards.
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
