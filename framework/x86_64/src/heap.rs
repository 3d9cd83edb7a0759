//! The heap: size classes in front of a linked-list allocator.
//!
//! `linked_list_allocator` merges free blocks, but walks its list of holes in every call. Blocks of up to 2,048 bytes,
//! which a running system allocates most, come from free lists, one for each power of two, filled sixteen blocks at a
//! time. They are never returned to the linked list.

#![expect(unsafe_code, reason = "an allocator hands out raw memory")]

use core::alloc::Layout;
use core::fmt;
use core::ptr::{self, NonNull};

use linked_list_allocator::Heap;

use switchboard::sync::IrqLock;

/// The smallest class, in bytes: it holds the link of a free list.
const SMALLEST: usize = 16;
/// The largest class, in bytes: it holds a network frame.
const LARGEST: usize = 2048;
const CLASSES: usize = (LARGEST / SMALLEST).ilog2() as usize + 1;
/// The number of blocks that a free list takes from the linked list at once.
const BATCH: usize = 16;

/// The use of the heap, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct HeapUsage {
    /// The size of the heap.
    pub total: usize,
    /// Allocated, with the rounding of blocks to their size classes.
    pub used: usize,
    /// Not allocated.
    pub free: usize,
}

/// An allocator with size classes. It has no memory until [`add_memory`](Self::add_memory).
pub(super) struct SizeClassHeap {
    inner: IrqLock<Inner>,
}

struct Inner {
    backing: Heap,
    free: [*mut FreeBlock; CLASSES],
    // Bytes in the free lists: allocated for the backing allocator, free for users.
    listed: usize,
}

// SAFETY: the pointers lead to memory that the heap owns, and `IrqLock` lets one CPU at a time use them.
unsafe impl Send for Inner {}

struct FreeBlock {
    next: *mut FreeBlock,
}

/// Returns the size class of a layout: the index of the smallest power of two with its size and alignment.
pub(super) fn class_of(layout: Layout) -> Option<usize> {
    let size = layout.size().max(layout.align()).max(SMALLEST);
    (size <= LARGEST).then(|| (size.next_power_of_two() / SMALLEST).ilog2() as usize)
}

/// Returns the layout of a block of a class, whose alignment is its size.
fn class_layout(class: usize) -> Layout {
    let size = SMALLEST << class;
    Layout::from_size_align(size, size).expect("a power of two")
}

/// The machine's heap.
pub(super) static HEAP: SizeClassHeap = SizeClassHeap::new();

impl SizeClassHeap {
    pub(super) const fn new() -> Self {
        Self { inner: IrqLock::new(Inner { backing: Heap::empty(), free: [ptr::null_mut(); CLASSES], listed: 0 }) }
    }

    /// Adds the memory of the heap.
    ///
    /// # Safety
    /// Called once. The range is mapped, writable, and has no other user ever.
    pub(super) unsafe fn add_memory(&self, start: *mut u8, length: usize) {
        // SAFETY: the caller's contract is the same.
        unsafe { self.inner.lock().backing.init(start, length) };
    }

    pub(super) fn usage(&self) -> HeapUsage {
        let inner = self.inner.lock();
        let total = inner.backing.size();
        let used = inner.backing.used() - inner.listed;
        HeapUsage { total, used, free: total - used }
    }

    /// Allocates memory for `layout`. Returns `None` when there is not enough.
    pub(super) fn allocate(&self, layout: Layout) -> Option<NonNull<u8>> {
        let mut inner = self.inner.lock();
        match class_of(layout) {
            Some(class) => inner.pop(class),
            None => inner.backing.allocate_first_fit(layout).ok(),
        }
    }

    /// Frees memory.
    ///
    /// # Safety
    /// `pointer` came from [`allocate`](Self::allocate) with the same layout, and is not used again.
    pub(super) unsafe fn deallocate(&self, pointer: NonNull<u8>, layout: Layout) {
        let mut inner = self.inner.lock();
        match class_of(layout) {
            // SAFETY: the caller gives up a block that `pop` handed out for this class.
            Some(class) => unsafe { inner.push(class, pointer) },
            // SAFETY: the caller gives up a block that the backing handed out for this layout.
            None => unsafe { inner.backing.deallocate(pointer, layout) },
        }
    }
}

impl Inner {
    fn pop(&mut self, class: usize) -> Option<NonNull<u8>> {
        if self.free[class].is_null() {
            self.refill(class);
        }
        let block = NonNull::new(self.free[class])?;
        // SAFETY: blocks on the list are free and have a valid link (`push`).
        self.free[class] = unsafe { block.as_ref() }.next;
        self.listed -= SMALLEST << class;
        Some(block.cast())
    }

    /// # Safety
    /// `block` is unused memory of the class's size and alignment.
    unsafe fn push(&mut self, class: usize, block: NonNull<u8>) {
        let block = block.cast::<FreeBlock>();
        // SAFETY: the smallest class has room and alignment for a link, and the block has no other user.
        unsafe { block.write(FreeBlock { next: self.free[class] }) };
        self.free[class] = block.as_ptr();
        self.listed += SMALLEST << class;
    }

    /// Takes a batch of blocks from the backing allocator, or one block when there is no room for a batch.
    fn refill(&mut self, class: usize) {
        let layout = class_layout(class);
        for count in [BATCH, 1] {
            let Ok(batch) = Layout::from_size_align(layout.size() * count, layout.align()) else { continue };
            if let Ok(start) = self.backing.allocate_first_fit(batch) {
                for index in 0..count {
                    // SAFETY: `index` is below `count`, so the block is inside the batch.
                    let block = unsafe { start.add(index * layout.size()) };
                    // SAFETY: the batch is fresh memory, aligned and cut for this class.
                    unsafe { self.push(class, block) };
                }
                return;
            }
        }
    }
}

impl fmt::Debug for SizeClassHeap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SizeClassHeap").field(&self.usage()).finish()
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn heap_of(bytes: usize) -> SizeClassHeap {
        let heap = SizeClassHeap::new();
        let memory = Vec::leak(alloc::vec![0u128; bytes / 16]);
        // SAFETY: leaked memory has no other user ever.
        unsafe { heap.add_memory(memory.as_mut_ptr().cast(), bytes) };
        heap
    }

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    #[test]
    fn classes() {
        let class = |size, align| class_of(layout(size, align));
        assert_eq!((class(0, 1), class(1, 1), class(16, 8), class(17, 1)), (Some(0), Some(0), Some(0), Some(1)));
        assert_eq!((class(8, 64), class(2048, 8), class(2049, 8), class(8, 4096)), (Some(2), Some(7), None, None));
        assert_eq!(class_layout(CLASSES - 1).size(), LARGEST);
    }

    #[test]
    fn blocks_are_aligned_apart_and_reused() {
        let heap = heap_of(1 << 20);
        for (size, align) in [(24, 8), (100, 64), (2048, 16), (5000, 4096)] {
            let blocks = [(); 40].map(|()| heap.allocate(layout(size, align)).unwrap());
            let mut addresses = blocks.map(|block| block.addr().get());
            addresses.sort_unstable();
            assert!(addresses.iter().all(|address| address % align == 0));
            assert!(addresses.windows(2).all(|pair| pair[1] - pair[0] >= size));
            for block in blocks {
                // SAFETY: each came from `allocate` with this layout, and is not used again.
                unsafe { heap.deallocate(block, layout(size, align)) };
            }
            assert!(addresses.contains(&heap.allocate(layout(size, align)).unwrap().addr().get()));
        }
    }

    #[test]
    fn exhaustion_is_reported_and_the_usage_adds_up() {
        let heap = heap_of(64 << 10);
        let mut blocks = Vec::new();
        while let Some(block) = heap.allocate(layout(1000, 8)) {
            blocks.push(block);
        }
        assert!(blocks.len() >= 50, "{} blocks", blocks.len());
        assert!(heap.allocate(layout(100_000, 8)).is_none());
        assert_eq!(heap.usage().used, blocks.len() * 1024);
        for block in blocks {
            // SAFETY: each came from `allocate` with this layout, and is not used again.
            unsafe { heap.deallocate(block, layout(1000, 8)) };
        }
        let usage = heap.usage();
        assert_eq!((usage.used, usage.free), (0, usage.total));
    }

    #[test]
    fn a_heap_without_memory_allocates_nothing() {
        assert!(SizeClassHeap::new().allocate(layout(1, 1)).is_none());
    }
}
