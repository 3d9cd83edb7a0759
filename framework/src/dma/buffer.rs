//! A buffer that either the driver has, or the device.

#![expect(unsafe_code, reason = "DMA memory is reached through the machine's mapping of it")]

use alloc::sync::Arc;
use core::fmt;
use core::ops::{Deref, DerefMut};
use core::slice;

use super::BusAddress;
use super::pool::Pages;

/// Bytes for DMA. While the device has it, move it into a ring that knows so; what comes back out is yours.
///
/// # Invariants
/// `start..start + length` lies in the pages, and no other buffer overlaps it.
pub struct DmaBuffer {
    pages: Arc<Pages>,
    start: usize,
    length: usize,
}

impl DmaBuffer {
    /// The caller hands out disjoint ranges of `pages`.
    pub(super) fn new(pages: Arc<Pages>, start: usize, length: usize) -> Self {
        assert!(start + length <= pages.block().bytes(), "a DMA buffer lies within its pages");
        Self { pages, start, length }
    }

    /// Where the device finds it.
    #[must_use]
    pub fn bus(&self) -> BusAddress {
        BusAddress::new(self.pages.block().bus()).offset(self.start as u64)
    }
}

impl Deref for DmaBuffer {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        // SAFETY: the range lies in the block (invariant).
        let start = unsafe { self.pages.block().pointer().add(self.start) };
        // SAFETY: the range is mapped and initialised, lives as long as the pages, and is this buffer's alone.
        unsafe { slice::from_raw_parts(start.as_ptr(), self.length) }
    }
}

impl DerefMut for DmaBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: the range lies in the block (invariant).
        let start = unsafe { self.pages.block().pointer().add(self.start) };
        // SAFETY: as in `deref`, and `&mut self` makes it exclusive.
        unsafe { slice::from_raw_parts_mut(start.as_ptr(), self.length) }
    }
}

impl fmt::Debug for DmaBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DmaBuffer").field("bus", &self.bus()).field("length", &self.length).finish()
    }
}
