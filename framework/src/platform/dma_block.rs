//! Pages that a machine lends for DMA.

#![expect(unsafe_code, reason = "a block stands for memory that it was promised")]

use core::ptr::NonNull;

/// Whole pages of 4,096 bytes, contiguous for the device. Owned: whoever holds it may give it back once.
///
/// # Invariants
/// `pointer` is valid for reads and writes of `pages` pages, initialised, and nobody else uses them.
#[derive(Debug)]
pub struct DmaBlock {
    pointer: NonNull<u8>,
    bus: u64,
    pages: usize,
}

// SAFETY: a block owns its memory, which belongs to no CPU.
unsafe impl Send for DmaBlock {}
// SAFETY: `&DmaBlock` only tells where the memory is.
unsafe impl Sync for DmaBlock {}

impl DmaBlock {
    /// Bytes in a page.
    pub const PAGE: usize = 4096;

    /// A block of `pages` pages, which devices find at `bus`.
    ///
    /// # Safety
    /// The memory is mapped, initialised, aligned to a page, and given to this block alone until it is given back
    /// by [`Memory::release`](crate::platform::Memory::release).
    #[must_use]
    pub unsafe fn new(pointer: NonNull<u8>, bus: u64, pages: usize) -> Self {
        Self { pointer, bus, pages }
    }

    /// Where this CPU finds it.
    #[must_use]
    pub fn pointer(&self) -> NonNull<u8> {
        self.pointer
    }

    /// Where devices find it.
    #[must_use]
    pub fn bus(&self) -> u64 {
        self.bus
    }

    /// Its pages.
    #[must_use]
    pub fn pages(&self) -> usize {
        self.pages
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.pages * Self::PAGE
    }

    /// Fills it with zeroes.
    pub fn clear(&mut self) {
        // SAFETY: the block owns `bytes` bytes from `pointer` on (invariant).
        unsafe { self.pointer.write_bytes(0, self.bytes()) };
    }
}
