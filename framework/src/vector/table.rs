//! The vector table of a CPU: allocation of vectors, and dispatch to their handlers.

#![expect(unsafe_code, reason = "interrupt entry code calls the slots")]

use core::fmt;

use super::block::VectorBlock;
use super::cpu::Cpu;
use super::slot::VectorSlot;
use crate::sync::IrqLock;
use crate::sync::primitives::{AtomicU64, AtomicUsize, Ordering};

/// The first vector that is not an exception (SDM vol. 3, 6.2).
const FIRST: u8 = 32;
/// The vectors from here on belong to the platform: timer, errors, spurious interrupts.
const END: u8 = 0xf0;
/// The vectors of a CPU for functions.
const VECTORS: usize = (END - FIRST) as usize;
/// One in this many vectors is reserved for functions that have none yet, so that a function with 2,048 messages cannot take all.
const RESERVE: usize = 8;

/// The interrupt vectors of one CPU: which are allocated, and which handler serves each.
///
/// The platform makes one for each CPU, calls [`dispatch`](Self::dispatch) from its interrupt entry, and passes the tables to
/// [`Machine::new`](crate::machine::Machine::new). Drivers never see it; they are granted
/// [interrupts](crate::interrupt::InterruptPort).
pub struct VectorTable {
    slots: [VectorSlot; 256],
    used: IrqLock<Used>,
    limit: AtomicUsize,
    spurious: AtomicU64,
    /// Set by the machine that the CPU belongs to.
    number: AtomicUsize,
    id: u32,
}

/// The vectors that are allocated.
struct Used {
    is_used: [bool; 256],
    count: usize,
}

impl VectorTable {
    /// Returns the table of the CPU with that id (on x86, the local APIC id), with all vectors free.
    #[must_use]
    pub const fn new(id: u32) -> Self {
        Self {
            slots: [const { VectorSlot::new() }; 256],
            used: IrqLock::new(Used { is_used: [false; 256], count: 0 }),
            limit: AtomicUsize::new(VECTORS),
            spurious: AtomicU64::new(0),
            number: AtomicUsize::new(0),
            id,
        }
    }

    /// Returns the CPU.
    pub(super) fn cpu(&'static self) -> Cpu {
        Cpu::of(self)
    }

    /// Returns the id of the CPU.
    pub(super) fn id(&self) -> u32 {
        self.id
    }

    /// Returns the number of the CPU in its machine.
    pub(super) fn number(&self) -> usize {
        self.number.load(Ordering::Relaxed)
    }

    pub(super) fn set_number(&self, number: usize) {
        self.number.store(number, Ordering::Relaxed);
    }

    /// Limits the vectors that can be allocated to `count` at most, to test a machine that runs out of them. Returns the limit.
    pub(super) fn limit(&self, count: usize) -> usize {
        let limit = count.min(VECTORS);
        self.limit.store(limit, Ordering::Relaxed);
        limit
    }

    /// Allocates `count` contiguous vectors, the first a multiple of `align`. MSI needs a power of two for both (PCI 3.0,
    /// 6.8.1.6: the function changes the low bits of the data). With `is_first`, for the first vector of a function, the last free
    /// vector can be allocated; without it, one in [`RESERVE`] vectors stays free for other functions.
    ///
    /// # Errors
    /// [`VectorsExhausted`], with the number that could be allocated.
    pub(super) fn allocate(
        &'static self,
        count: usize,
        align: usize,
        is_first: bool,
    ) -> Result<VectorBlock, VectorsExhausted> {
        let mut used = self.used.lock();
        let limit = self.limit.load(Ordering::Relaxed);
        let reserve = if is_first { 0 } else { limit / RESERVE };
        let free = limit.saturating_sub(used.count + reserve);
        let exhausted = VectorsExhausted { wanted: count, free };
        if count == 0 || count > free {
            return Err(exhausted);
        }
        let is_free = |start: u8| {
            let start = usize::from(start);
            start.is_multiple_of(align)
                && start + count <= usize::from(END)
                && used.is_used[start..start + count].iter().all(|used| !used)
        };
        let first = (FIRST..END).find(|start| is_free(*start)).ok_or(exhausted)?;
        used.is_used[usize::from(first)..][..count].fill(true);
        used.count += count;
        Ok(VectorBlock::new(self, first, count))
    }

    /// Frees vectors.
    pub(super) fn give_back(&self, first: u8, count: usize) {
        let mut used = self.used.lock();
        used.is_used[usize::from(first)..][..count].fill(false);
        used.count -= count;
    }

    /// Returns the number of vectors in use.
    pub(super) fn used(&self) -> usize {
        self.used.lock().count
    }

    /// Returns the number of free vectors.
    pub(super) fn free(&self) -> usize {
        self.limit.load(Ordering::Relaxed).saturating_sub(self.used())
    }

    pub(crate) fn slot(&self, vector: u8) -> &VectorSlot {
        &self.slots[usize::from(vector)]
    }

    /// Calls the handler of `vector` for one delivery. The caller sends the EOI afterwards.
    ///
    /// # Safety
    /// Only the interrupt entry of the CPU that owns this table calls this, with interrupts off, so that two deliveries to one CPU
    /// never overlap.
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
    pub(super) fn spurious(&self) -> u64 {
        self.spurious.load(Ordering::Relaxed)
    }

    /// Returns the number of deliveries to vectors without a handler: forged, stray, or late messages.
    pub(super) fn unexpected(&self) -> u64 {
        self.slots.iter().map(VectorSlot::unexpected).sum()
    }
}

impl fmt::Debug for VectorTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VectorTable").field("cpu", &self.number()).finish_non_exhaustive()
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
