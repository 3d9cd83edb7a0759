//! A range of allocated pages, with pointer and bus address computed once: rings and buffers need both for every frame.

#![expect(unsafe_code, reason = "pointers into a block of DMA memory")]

use alloc::sync::Arc;
use core::ptr::NonNull;

use super::address::BusAddress;
use super::pages::Pages;

/// A range of bytes in pages, which it keeps alive.
///
/// # Invariants
/// `length` bytes from `pointer` on are in the pages, at the bus address `bus`.
pub(super) struct Span {
    pointer: NonNull<u8>,
    bus: BusAddress,
    length: usize,
    pages: Arc<Pages>,
}

// SAFETY: a span only holds the location of memory that it keeps alive, and that memory belongs to no CPU.
unsafe impl Send for Span {}
// SAFETY: as above; its owner decides how the memory is accessed.
unsafe impl Sync for Span {}

impl Span {
    /// Returns the bytes `start..start + length` of the pages.
    ///
    /// # Panics
    /// When the range is out of bounds; the callers compute it from the size of the pages.
    pub(super) fn new(pages: Arc<Pages>, start: usize, length: usize) -> Self {
        let block = pages.block();
        let end = start.checked_add(length);
        assert!(end.is_some_and(|end| end <= block.bytes()), "a span is within its pages");
        // SAFETY: `start` is at most the block's length (assertion above).
        let pointer = unsafe { block.pointer().add(start) };
        let bus = BusAddress::new(block.bus()).plus(start);
        Self { pointer, bus, length, pages }
    }

    /// Returns the same range again.
    pub(super) fn share(&self) -> Self {
        Self { pages: self.pages.clone(), ..*self }
    }

    #[inline]
    pub(super) fn pointer(&self) -> NonNull<u8> {
        self.pointer
    }

    #[inline]
    pub(super) fn bus(&self) -> BusAddress {
        self.bus
    }

    #[inline]
    pub(super) fn length(&self) -> usize {
        self.length
    }
}
