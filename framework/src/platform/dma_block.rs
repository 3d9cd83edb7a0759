//! Blocks of DMA memory, as a machine allocates them.

#![expect(unsafe_code, reason = "a block owns memory by its constructor's contract")]

use core::ptr::NonNull;

/// Whole pages of 4,096 bytes, contiguous for the device. The value owns them, so that they are released once.
///
/// # Invariants
/// `pointer` is valid for reads and writes of `pages` pages, which are initialised and used through this block only.
#[derive(Debug)]
pub struct DmaBlock {
    pointer: NonNull<u8>,
    bus: u64,
    pages: usize,
}

// SAFETY: a block owns its memory, which is not tied to a CPU.
unsafe impl Send for DmaBlock {}
// SAFETY: `&DmaBlock` gives no access to the memory, only its address.
unsafe impl Sync for DmaBlock {}

impl DmaBlock {
    /// Bytes in a page.
    pub const PAGE: usize = 4096;

    /// Creates a block of `pages` pages at bus address `bus`.
    ///
    /// # Safety
    /// The memory is mapped, initialised, aligned to a page, and used through this block only until
    /// [`Memory::release`](crate::platform::Memory::release) takes it back.
    #[must_use]
    pub unsafe fn new(pointer: NonNull<u8>, bus: u64, pages: usize) -> Self {
        Self { pointer, bus, pages }
    }

    /// Returns the address for this CPU.
    #[must_use]
    pub fn pointer(&self) -> NonNull<u8> {
        self.pointer
    }

    /// Returns the address for devices.
    #[must_use]
    pub fn bus(&self) -> u64 {
        self.bus
    }

    /// Returns the number of pages.
    #[must_use]
    pub fn pages(&self) -> usize {
        self.pages
    }

    /// Returns the number of bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.pages * Self::PAGE
    }

    /// Fills the block with zeroes.
    pub fn clear(&mut self) {
        // SAFETY: the block owns `bytes` bytes from `pointer` on (invariant).
        unsafe { self.pointer.write_bytes(0, self.bytes()) };
    }
}
