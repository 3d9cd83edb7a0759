//! The heap as a global allocator.

#![expect(unsafe_code, reason = "an allocator hands out raw memory")]

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, Ordering};

use super::heap::{HEAP, class_of};
use super::stacks;

static IS_FORBIDDEN_IN_HANDLERS: AtomicBool = AtomicBool::new(false);

/// Makes an allocation in an interrupt handler panic from now on.
///
/// The heap is safe to use in handlers, but takes a lock and may walk a list, which has no bound on time.
pub fn forbid_allocation_in_handlers() {
    IS_FORBIDDEN_IN_HANDLERS.store(true, Ordering::Relaxed);
}

/// The machine's heap, as an image's `#[global_allocator]`. Allocations fail until [`init`](crate::init) has run.
///
/// ```no_run
/// #[global_allocator]
/// static ALLOCATOR: switchboard_x86_64::Allocator = switchboard_x86_64::Allocator;
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Allocator;

// SAFETY: `SizeClassHeap` hands out blocks that do not overlap, at least as large and as aligned as asked.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if IS_FORBIDDEN_IN_HANDLERS.load(Ordering::Relaxed) && stacks::in_interrupt() {
            IS_FORBIDDEN_IN_HANDLERS.store(false, Ordering::Relaxed);
            panic!("an interrupt handler allocated {} bytes", layout.size());
        }
        HEAP.allocate(layout).map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if let Some(pointer) = NonNull::new(pointer) {
            // SAFETY: the contract of `dealloc` is the same.
            unsafe { HEAP.deallocate(pointer, layout) };
        }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let Ok(new_layout) = Layout::from_size_align(new_size, layout.align()) else { return ptr::null_mut() };
        // A block of a size class has room for every layout of that class.
        if class_of(layout).is_some_and(|class| class_of(new_layout) == Some(class)) {
            return pointer;
        }
        // SAFETY: the layout is valid, and callers never reallocate to zero bytes.
        let new = unsafe { self.alloc(new_layout) };
        if !new.is_null() {
            // SAFETY: both blocks are at least that long, and a new block overlaps no old one.
            unsafe { ptr::copy_nonoverlapping(pointer, new, layout.size().min(new_size)) };
            // SAFETY: the caller gives up the old block.
            unsafe { self.dealloc(pointer, layout) };
        }
        new
    }
}
