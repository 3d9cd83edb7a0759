//! The page pool, for DMA and page tables.

#![expect(unsafe_code, reason = "raw memory is given to the pool")]

use core::alloc::Layout;
use core::ops::Range;
use core::ptr::NonNull;

use linked_list_allocator::Heap;
use switchboard::platform::MemoryError;
use switchboard::sync::IrqLock;

use super::integer::to_usize;
use super::memory_map::PAGE;

const PAGE_BYTES: usize = to_usize(PAGE);

/// The pool. All blocks are whole pages, so holes stay page-aligned. The lowest hole that fits is used.
static POOL: IrqLock<Heap> = IrqLock::new(Heap::empty());

/// Adds the memory of the pool.
///
/// # Safety
/// Called once, with an address range of usable memory that is mapped and has no other user.
pub(super) unsafe fn init(pool: Range<usize>) {
    // SAFETY: the caller's contract is the same.
    unsafe { POOL.lock().init(core::ptr::with_exposed_provenance_mut(pool.start), pool.len()) };
}

/// Allocates `count` contiguous zeroed pages.
///
/// # Errors
/// [`MemoryError::OutOfMemory`] when there are no such pages.
pub(super) fn allocate(count: usize) -> Result<NonNull<u8>, MemoryError> {
    let wanted = count.saturating_mul(PAGE_BYTES);
    let layout = layout(count).ok_or(MemoryError::OutOfMemory { wanted })?;
    let pages = POOL.lock().allocate_first_fit(layout).map_err(|()| MemoryError::OutOfMemory { wanted })?;
    // SAFETY: fresh memory of that length, with no other user.
    unsafe { pages.write_bytes(0, wanted) };
    Ok(pages)
}

/// Frees pages.
///
/// # Safety
/// `count` pages at `pages` came from [`allocate`] and are not used any more.
pub(super) unsafe fn release(pages: NonNull<u8>, count: usize) {
    if let Some(layout) = layout(count) {
        // SAFETY: the caller guarantees pages that were allocated with this layout.
        unsafe { POOL.lock().deallocate(pages, layout) };
    }
}

/// Returns the number of pages of the pool, and of those in use.
pub(super) fn usage() -> (usize, usize) {
    let pool = POOL.lock();
    (pool.size() / PAGE_BYTES, pool.used() / PAGE_BYTES)
}

fn layout(count: usize) -> Option<Layout> {
    let bytes = count.checked_mul(PAGE_BYTES).filter(|bytes| *bytes > 0)?;
    Layout::from_size_align(bytes, PAGE_BYTES).ok()
}
