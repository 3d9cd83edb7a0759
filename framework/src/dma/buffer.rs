//! Buffers that the driver or the device owns, one at a time.

#![expect(unsafe_code, reason = "DMA memory is reached through the machine's mapping of it")]

use alloc::sync::Arc;
use core::fmt;
use core::ops::{Deref, DerefMut};
use core::slice;

use super::address::BusAddress;
use super::pages::Pages;
use super::span::Span;

/// A buffer for DMA, which derefs to its bytes.
///
/// A driver moves it into its ring while the device uses it, so that the bytes cannot be accessed meanwhile, and out of the ring
/// when the device is done.
///
/// ```
/// # use switchboard_testing::{FakeFunction, FakeMachine};
/// # let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8)]);
/// # let dma = fake.machine().take_all().remove(0).claim()?.dma;
/// let mut buffer = dma.buffer(1500)?;
/// buffer[..4].copy_from_slice(b"ping");
///
/// // The device reads the bytes at the bus address.
/// let address = buffer.bus().get();
/// assert_eq!(fake.dma_read(address, 4).as_deref(), Some(&b"ping"[..]));
/// # Ok::<(), switchboard::driver::ProbeError>(())
/// ```
///
/// # Invariants
/// No other buffer overlaps the span.
pub struct DmaBuffer {
    span: Span,
}

impl DmaBuffer {
    /// Makes a buffer of a range of `pages` that no other buffer overlaps.
    pub(super) fn new(pages: Arc<Pages>, start: usize, length: usize) -> Self {
        Self { span: Span::new(pages, start, length) }
    }

    /// Returns the bus address of the first byte.
    #[inline]
    #[must_use]
    pub fn bus(&self) -> BusAddress {
        self.span.bus()
    }

    /// Returns the bus address of the byte at `offset`, or `None` when the offset is out of bounds.
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
        // SAFETY: the span is mapped and initialised, lives as long as this, and no other buffer overlaps it (invariant).
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
