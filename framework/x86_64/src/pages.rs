//! The pool of whole pages, for DMA and page tables.

#![expect(unsafe_code, reason = "raw memory becomes a pool")]

use core::alloc::Layout;
use core::ops::Range;
use core::ptr::NonNull;

use linked_list_allocator::Heap;
use switchboard::platform::MemoryError;
use switchboard::sync::IrqLock;

use super::memory_map::PAGE;
use super::to_usize;

const PAGE_BYTES: usize = to_usize(PAGE);

/// Whole pages, as low in memory as possible. All blocks are whole pages, so holes stay page-aligned.
static POOL: IrqLock<Heap> = IrqLock::new(Heap::empty());

/// Opens the pool.
///
/// # Safety
/// Called once, with an address range of usable memory that is mapped and has no other user.
pub(super) unsafe fn init(pool: Range<usize>) {
    // SAFETY: the caller promises the same.
    unsafe { POOL.lock().init(core::ptr::with_exposed_provenance_mut(pool.start), pool.len()) };
}

/// Allocates `count` zeroed pages, side by side.
///
/// # Errors
/// [`MemoryError::OutOfMemory`].
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
/// `count` pages at `pages` came from [`allocate`], and have no user any more.
pub(super) unsafe fn release(pages: NonNull<u8>, count: usize) {
    if let Some(layout) = layout(count) {
        // SAFETY: the caller promises pages that were allocated with this layout.
        unsafe { POOL.lock().deallocate(pages, layout) };
    }
}

/// Returns the pages of the pool, and those in use.
pub(super) fn figures() -> (usize, usize) {
    let pool = POOL.lock();
    (pool.size() / PAGE_BYTES, pool.used() / PAGE_BYTES)
}

fn layout(count: usize) -> Option<Layout> {
    let bytes = count.checked_mul(PAGE_BYTES).filter(|bytes| *bytes > 0)?;
    Layout::from_size_align(bytes, PAGE_BYTES).ok()
}
