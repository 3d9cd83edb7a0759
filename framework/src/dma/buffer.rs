//! A buffer that either the driver has, or the device.

#![expect(unsafe_code, reason = "DMA memory is reached through the machine's mapping of it")]

use alloc::sync::Arc;
use core::fmt;
use core::ops::{Deref, DerefMut};
use core::slice;

use super::address::BusAddress;
use super::pages::Pages;
use super::span::Span;

/// Bytes for DMA. While the device has it, move it into a ring that knows so; what comes back out is yours.
///
/// # Invariants
/// No other buffer overlaps the span.
pub struct DmaBuffer {
    span: Span,
}

impl DmaBuffer {
    /// The caller hands out disjoint ranges of `pages`.
    pub(super) fn new(pages: Arc<Pages>, start: usize, length: usize) -> Self {
        Self { span: Span::new(pages, start, length) }
    }

    /// Where the device finds it.
    #[inline]
    #[must_use]
    pub fn bus(&self) -> BusAddress {
        self.span.bus()
    }

    /// Returns where the device finds the byte at `offset`, or `None` behind the last one.
    #[inline]
    #[must_use]
    pub fn bus_at(&self, offset: usize) -> Option<BusAddress> {
        (offset < self.span.length()).then(|| self.span.bus().plus(offset))
    }
}

impl Deref for DmaBuffer {
    type Target = [u8];
    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: the span is mapped and initialised, lives as long as this, and is this buffer's alone.
        unsafe { slice::from_raw_parts(self.span.pointer().as_ptr(), self.span.length()) }
    }
}

impl DerefMut for DmaBuffer {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`, and `&mut self` makes it exclusive.
        unsafe { slice::from_raw_parts_mut(self.span.pointer().as_ptr(), self.span.length()) }
    }
}

impl fmt::Debug for DmaBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DmaBuffer").field("bus", &self.bus()).field("length", &self.len()).finish()
    }
}
