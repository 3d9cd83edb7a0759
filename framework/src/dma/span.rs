//! A stretch of lent pages, with its place worked out once: rings and buffers ask for it with every frame.

#![expect(unsafe_code, reason = "a span stands for a part of memory that a block was promised")]

use alloc::sync::Arc;
use core::ptr::NonNull;

use super::address::BusAddress;
use super::pages::Pages;

/// Bytes in pages that live at least as long.
///
/// # Invariants
/// `length` bytes from `pointer` on lie in the pages, and devices find them at `bus`.
pub(super) struct Span {
    pointer: NonNull<u8>,
    bus: BusAddress,
    length: usize,
    _pages: Arc<Pages>,
}

// SAFETY: a span only tells where memory is that it keeps, and that belongs to no CPU.
unsafe impl Send for Span {}
// SAFETY: as above; what may be done with the memory is up to who has the span.
unsafe impl Sync for Span {}

impl Span {
    /// The bytes `start..start + length` of the pages.
    ///
    /// # Panics
    /// When they are not in there: whoever lends them out has counted.
    pub(super) fn new(pages: Arc<Pages>, start: usize, length: usize) -> Self {
        let block = pages.block();
        let end = start.checked_add(length);
        assert!(end.is_some_and(|end| end <= block.bytes()), "a span lies within its pages");
        // SAFETY: `start` is at most the block's length, as was just seen.
        let pointer = unsafe { block.pointer().add(start) };
        let bus = BusAddress::new(block.bus()).plus(start);
        Self { pointer, bus, length, _pages: pages }
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
