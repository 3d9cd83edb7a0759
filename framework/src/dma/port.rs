//! Allocation of DMA memory for one function.
//!
//! The first allocation turns bus mastering of the function on.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::buffer::DmaBuffer;
use super::pages::Pages;
use super::shared::DmaRegion;
use crate::ownership::Claimed;
use crate::platform::{DmaBlock, MemoryError};

/// The allocator of DMA memory for one function; a field of [`Resources`](crate::function::Resources).
///
/// ```
/// # use switchboard_testing::{FakeFunction, FakeMachine};
/// # let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8)]);
/// # let resources = fake.machine().take_all().remove(0).claim()?;
/// // A device that drives 40 address bits.
/// let dma = resources.dma.limit_address_bits(40);
/// let receive_buffers = dma.buffers(256, 2048)?;
/// let descriptors = dma.region(16 * 256)?;
/// # drop(descriptors);
/// assert!(receive_buffers.iter().all(|buffer| buffer.len() == 2048 && buffer.bus().get() >> 40 == 0));
/// # Ok::<(), switchboard::driver::ProbeError>(())
/// ```
#[derive(Debug)]
pub struct DmaPort {
    claimed: Arc<Claimed>,
    bits: u8,
}

impl DmaPort {
    pub(crate) fn new(claimed: Arc<Claimed>) -> Self {
        Self { claimed, bits: 64 }
    }

    /// Limits the memory to addresses of at most `bits` bits, for devices that drive no more. Allocations above fail.
    #[must_use]
    pub fn limit_address_bits(self, bits: u8) -> Self {
        Self { bits: bits.min(64), ..self }
    }

    /// Allocates one zeroed, page-aligned buffer of `length` bytes.
    ///
    /// # Errors
    /// [`DmaError`].
    pub fn buffer(&self, length: usize) -> Result<DmaBuffer, DmaError> {
        Ok(DmaBuffer::new(self.pages(length)?, 0, length))
    }

    /// Allocates `count` zeroed buffers of `length` bytes each, packed in pages and aligned to 64 bytes.
    ///
    /// # Errors
    /// [`DmaError`].
    pub fn buffers(&self, count: usize, length: usize) -> Result<Vec<DmaBuffer>, DmaError> {
        let stride = length.next_multiple_of(64);
        // Blocks of at most 64 KiB, so that allocation succeeds in fragmented memory.
        let per_run = (16 * DmaBlock::PAGE / stride.max(1)).max(1);
        let mut buffers = Vec::with_capacity(count);
        while buffers.len() < count {
            let run = per_run.min(count - buffers.len());
            let pages = self.pages(run * stride)?;
            buffers.extend((0..run).map(|index| DmaBuffer::new(pages.clone(), index * stride, length)));
        }
        Ok(buffers)
    }

    /// Allocates a zeroed, page-aligned region of `length` bytes, from which arrays that driver and device share are carved.
    ///
    /// # Errors
    /// [`DmaError`].
    pub fn region(&self, length: usize) -> Result<DmaRegion, DmaError> {
        Ok(DmaRegion::new(self.pages(length)?, length))
    }

    fn pages(&self, length: usize) -> Result<Arc<Pages>, DmaError> {
        if length == 0 {
            return Err(DmaError::Empty);
        }
        let block = self.claimed.pool().take(length.div_ceil(DmaBlock::PAGE))?;
        let end = block.bus().saturating_add(block.bytes() as u64 - 1);
        let pages = Pages::new(block, self.claimed.clone());
        if self.bits < 64 && end >> self.bits != 0 {
            return Err(DmaError::OutOfReach { address: end, bits: self.bits });
        }
        // A driver that allocates DMA memory needs bus mastering, and forgetting to turn it on is a common mistake.
        self.claimed.enable_bus_mastering();
        Ok(Arc::new(pages))
    }
}

/// The reason why DMA memory was not allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DmaError {
    /// The requested length is 0.
    #[error("a DMA buffer of no bytes was wanted")]
    Empty,
    /// The machine is out of memory.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// There is memory, but above the addresses that the device can reach.
    #[error("the memory ends at {address:#x}, the device reaches {bits} bits of address")]
    OutOfReach {
        /// The bus address of the last byte of the memory.
        address: u64,
        /// The number of address bits that the device drives.
        bits: u8,
    },
}
