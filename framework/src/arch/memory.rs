//! The machine's memory: the heap, and the pool for page tables and DMA.

#![expect(unsafe_code, reason = "raw memory becomes a heap and a pool")]

use core::alloc::Layout;
use core::ptr::NonNull;

use linked_list_allocator::Heap;
use spin::Once;

use super::allocator::HEAP;
use super::boot_info::BootInfo;
use super::heap::HeapFigures;
use super::memory_map::{self, PAGE, Ranges};
use super::{paging, to_usize};
use crate::dma::DmaBlock;
use crate::machine::{Memory, MemoryError};
use crate::sync::IrqLock;

const PAGE_BYTES: usize = to_usize(PAGE);

/// Whole pages, as low in memory as possible. All blocks are whole pages, so holes stay page-aligned.
static POOL: IrqLock<Heap> = IrqLock::new(Heap::empty());

/// What is ours: the image, and the memory it may use.
static RAM: Once<Ranges> = Once::new();

/// Why there is no memory to run in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MemorySetupError {
    /// The machine is too small.
    #[error("memory too small: {} KiB in one piece wanted, {} KiB free in all", .wanted / 1024, .free / 1024)]
    TooSmall {
        /// Bytes wanted in one piece, besides the image.
        wanted: u64,
        /// Bytes free, in whatever pieces.
        free: u64,
    },
    /// The page tables did not fit.
    #[error("no page tables: {0}")]
    PageTables(#[from] MemoryError),
}

/// Divides the memory, makes the page tables, and opens the heap.
///
/// # Errors
/// [`MemorySetupError`] when there is not enough.
pub(super) fn init(boot: &BootInfo) -> Result<(), MemorySetupError> {
    let plan = memory_map::plan(&boot.usable)
        .map_err(|free| MemorySetupError::TooSmall { wanted: memory_map::least(), free })?;
    let pool = to_usize(plan.pool.start)..to_usize(plan.pool.end);
    // SAFETY: there is one `BootInfo`, and `arch::init` took it, so this runs once. Usable memory, mapped by the boot
    // tables (it begins below 4 GiB, and pages are taken from its beginning) and by ours later; the plan gives it to
    // nobody else.
    unsafe { POOL.lock().init(core::ptr::with_exposed_provenance_mut(pool.start), pool.len()) };
    paging::init(boot)?;
    RAM.call_once(|| {
        let mut ranges = boot.usable.clone();
        // What does not fit is left unprotected: there are 32 places, and machines have some five.
        let _ = ranges.try_push(boot.image.text.start..boot.image.data.end);
        ranges
    });
    let heap = to_usize(plan.heap.start)..to_usize(plan.heap.end);
    // SAFETY: usable memory, mapped just now, and the plan gives it to nobody else.
    unsafe { HEAP.add_memory(core::ptr::with_exposed_provenance_mut(heap.start), heap.len()) };
    Ok(())
}

/// Zeroed pages of the pool, side by side.
///
/// # Errors
/// [`MemoryError::OutOfMemory`].
pub(super) fn allocate_pages(count: usize) -> Result<NonNull<u8>, MemoryError> {
    let wanted = count.saturating_mul(PAGE_BYTES);
    let layout = pages_layout(count).ok_or(MemoryError::OutOfMemory { wanted })?;
    let pages = POOL.lock().allocate_first_fit(layout).map_err(|()| MemoryError::OutOfMemory { wanted })?;
    // SAFETY: fresh memory of that length, and nobody else's.
    unsafe { pages.write_bytes(0, wanted) };
    Ok(pages)
}

fn pages_layout(count: usize) -> Option<Layout> {
    let bytes = count.checked_mul(PAGE_BYTES).filter(|bytes| *bytes > 0)?;
    Layout::from_size_align(bytes, PAGE_BYTES).ok()
}

/// What memory there is and how much of it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryFigures {
    /// The heap, in bytes.
    pub heap: HeapFigures,
    /// Pages in the pool for DMA and page tables.
    pub dma_pages: usize,
    /// Pages of the pool in use.
    pub dma_pages_used: usize,
}

/// What memory there is and how much of it is used.
pub fn figures() -> MemoryFigures {
    let pool = POOL.lock();
    let (dma_pages, dma_pages_used) = (pool.size() / PAGE_BYTES, pool.used() / PAGE_BYTES);
    MemoryFigures { heap: HEAP.figures(), dma_pages, dma_pages_used }
}

/// The bare machine's memory.
pub(super) struct MachineMemory;

impl Memory for MachineMemory {
    fn map(&self, physical: u64, length: u64) -> Result<NonNull<u8>, MemoryError> {
        // A BAR, a table or an ECAM region that lies about where it is would make our memory look like a device's.
        let end = physical.saturating_add(length);
        if RAM.get().is_some_and(|ranges| ranges.iter().any(|ram| ram.start < end && physical < ram.end)) {
            return Err(MemoryError::Ram { physical, length });
        }
        let address = paging::map_device(physical, length)?;
        NonNull::new(address.as_mut_ptr()).ok_or(MemoryError::Unreachable { physical, length })
    }

    fn allocate(&self, pages: usize) -> Result<DmaBlock, MemoryError> {
        let pointer = allocate_pages(pages)?;
        // SAFETY: fresh pages of the pool, mapped, zeroed, and nobody else's. Memory is mapped one to one and there
        // is no IOMMU: devices see the same address.
        Ok(unsafe { DmaBlock::new(pointer, pointer.addr().get() as u64, pages) })
    }

    fn release(&self, block: DmaBlock) {
        if let Some(layout) = pages_layout(block.pages()) {
            // SAFETY: blocks are made by `allocate` with this layout, and owned: nobody gives one back twice.
            unsafe { POOL.lock().deallocate(block.pointer(), layout) };
        }
    }
}
