//! The machine's heap as Rust's global allocator.

#![expect(unsafe_code, reason = "an allocator hands out raw memory")]

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, Ordering};

use super::heap::{HEAP, class_of};
use super::stacks;

static STRICT: AtomicBool = AtomicBool::new(false);

/// From now on a handler that allocates is a panic. The heap is safe to use there, but takes a lock and may walk a
/// list: an image whose handlers promise to do without has the promise kept.
pub fn forbid_allocation_in_handlers() {
    STRICT.store(true, Ordering::Relaxed);
}

/// The machine's heap as an image's `#[global_allocator]`. Empty until the machine has been brought up.
#[derive(Debug, Clone, Copy)]
pub struct Allocator;

// SAFETY: `SizeClassHeap` hands out blocks that do not overlap, at least as large and as aligned as asked.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if STRICT.load(Ordering::Relaxed) && stacks::in_interrupt() {
            STRICT.store(false, Ordering::Relaxed);
            panic!("an interrupt handler allocated {} bytes", layout.size());
        }
        HEAP.allocate(layout).map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if let Some(pointer) = NonNull::new(pointer) {
            // SAFETY: the caller of `dealloc` promises the same.
            unsafe { HEAP.deallocate(pointer, layout) };
        }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let Ok(new_layout) = Layout::from_size_align(new_size, layout.align()) else { return ptr::null_mut() };
        // The block of a class has room for whatever else is of that class.
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
