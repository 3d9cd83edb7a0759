//! The memory of the machine: the heap, the page pool, and mappings of device memory.

#![expect(unsafe_code, reason = "raw memory is given to the heap and the page pool")]

use alloc::vec;
use alloc::vec::Vec;
use core::ptr::NonNull;

use spin::Once;

use super::boot_info::BootInfo;
use super::heap::{HEAP, HeapUsage};
use super::integer::to_usize;
use super::memory_map::{self, Ranges};
use super::pages;
use super::paging;
use super::physical::PhysicalMemory;
use switchboard::platform::DmaBlock;
use switchboard::platform::{Mapping, Memory, MemoryError};

/// The image and the memory that it may use.
static RAM: Once<Ranges> = Once::new();

/// The reason why memory cannot be set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MemorySetupError {
    /// The machine has too little memory.
    #[error("memory too small: {} KiB in one piece wanted, {} KiB free in all", .wanted / 1024, .free / 1024)]
    TooSmall {
        /// Contiguous bytes that are needed besides the image.
        wanted: u64,
        /// Free bytes, in all pieces together.
        free: u64,
    },
    /// There is no memory for page tables.
    #[error("no page tables: {0}")]
    PageTables(#[from] MemoryError),
}

/// Divides the memory, makes the page tables, and sets up the heap.
///
/// # Errors
/// [`MemorySetupError`] when there is not enough.
pub(super) fn init(boot: &BootInfo) -> Result<(), MemorySetupError> {
    let plan = memory_map::plan(&boot.memory.usable)
        .map_err(|free| MemorySetupError::TooSmall { wanted: memory_map::MIN_BYTES, free })?;
    let pool = to_usize(plan.pool.start)..to_usize(plan.pool.end);
    // SAFETY: there is one `BootInfo`, and `init` of this crate took it, so this runs once. Usable memory, mapped by
    // the boot page tables (it begins below 4 GiB, and pages are taken from its beginning) and by the new ones later;
    // the plan has no other use for it.
    unsafe { pages::init(pool) };
    paging::init(boot)?;
    RAM.call_once(|| {
        let mut ranges = boot.memory.usable.clone();
        // A range that does not fit is not protected from mapping. There are 32 places, and machines have about five.
        let _ = ranges.try_push(boot.image.text.start..boot.image.data.end);
        ranges
    });
    let heap = to_usize(plan.heap.start)..to_usize(plan.heap.end);
    // SAFETY: usable memory, which has just been mapped, and the plan has no other use for it.
    unsafe { HEAP.add_memory(core::ptr::with_exposed_provenance_mut(heap.start), heap.len()) };
    Ok(())
}

/// The use of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryUsage {
    /// The heap.
    pub heap: HeapUsage,
    /// Pages of the pool for DMA and page tables.
    pub dma_pages: usize,
    /// Pages of the pool that are in use.
    pub dma_pages_used: usize,
}

/// Returns the use of memory.
///
/// ```
/// let usage = switchboard_x86_64::memory_usage();
/// assert_eq!(usage.heap.total, 0, "no machine runs in a host test");
/// ```
#[must_use]
pub fn usage() -> MemoryUsage {
    let (dma_pages, dma_pages_used) = pages::usage();
    MemoryUsage { heap: HEAP.usage(), dma_pages, dma_pages_used }
}

/// The memory of the machine, as the framework uses it.
pub(super) struct MachineMemory;

impl MachineMemory {
    /// Maps device memory or firmware's memory, uncached, permanently.
    ///
    /// # Errors
    /// [`MemoryError`] for RAM, for addresses beyond 2^46, and when there is no memory for page tables.
    pub(super) fn map(physical: u64, length: u64) -> Result<NonNull<u8>, MemoryError> {
        // A BAR, a table or an ECAM region at an invalid address would alias RAM.
        let end = physical.saturating_add(length);
        if RAM.get().is_some_and(|ranges| ranges.iter().any(|ram| ram.start < end && physical < ram.end)) {
            return Err(MemoryError::Ram { physical, length });
        }
        let address = paging::map_device(physical, length)?;
        NonNull::new(address.as_mut_ptr()).ok_or(MemoryError::Unreachable { physical, length })
    }
}

// SAFETY: `map` returns uncached mappings of addresses that are not RAM, which are permanent; `allocate` returns fresh
// pages of the pool. RAM is mapped one to one and there is no IOMMU, so a block's bus address is its address.
unsafe impl Memory for MachineMemory {
    fn map(&self, physical: u64, length: u64) -> Result<Mapping, MemoryError> {
        Self::map(physical, length).map(Mapping::Direct)
    }

    fn allocate(&self, count: usize) -> Result<DmaBlock, MemoryError> {
        let pointer = pages::allocate(count)?;
        // SAFETY: fresh pages of the pool, mapped, zeroed, with no other user; devices see the same address.
        Ok(unsafe { DmaBlock::new(pointer, pointer.addr().get() as u64, count) })
    }

    unsafe fn release(&self, block: DmaBlock) {
        // SAFETY: the caller promises a block of `allocate` that no device writes to, and gives it up.
        unsafe { pages::release(block.pointer(), block.pages()) };
    }
}

impl PhysicalMemory for MachineMemory {
    fn copy(&self, address: u64, length: u64) -> Option<Vec<u8>> {
        let source = Self::map(address, length).inspect_err(|error| log::warn!("ACPI: {error}")).ok()?;
        let mut bytes = vec![0; to_usize(length)];
        for (offset, byte) in bytes.iter_mut().enumerate() {
            // SAFETY: `map` made all of the range reachable.
            let source = unsafe { source.add(offset) };
            // SAFETY: as above; any byte is a valid `u8`.
            *byte = unsafe { source.read_volatile() };
        }
        Some(bytes)
    }
}
