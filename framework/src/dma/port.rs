//! Allocation of DMA memory for one function.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::buffer::DmaBuffer;
use super::pages::Pages;
use super::shared::DmaRegion;
use crate::ownership::Claimed;
use crate::platform::{DmaBlock, MemoryError};

/// Where a driver gets memory that its function can reach.
#[derive(Debug)]
pub struct DmaPort {
    claimed: Arc<Claimed>,
    bits: u8,
}

impl DmaPort {
    pub(crate) fn new(claimed: Arc<Claimed>) -> Self {
        Self { claimed, bits: 64 }
    }

    /// Says that the device drives only the low `bits` of an address; memory above is refused.
    #[must_use]
    pub fn limit_address_bits(self, bits: u8) -> Self {
        Self { bits: bits.min(64), ..self }
    }

    /// One zeroed buffer of `length` bytes.
    ///
    /// # Errors
    /// [`DmaError`].
    pub fn buffer(&self, length: usize) -> Result<DmaBuffer, DmaError> {
        Ok(DmaBuffer::new(self.pages(length)?, 0, length))
    }

    /// `count` zeroed buffers of `length` bytes each, packed side by side and aligned to 64 bytes.
    ///
    /// # Errors
    /// [`DmaError`].
    pub fn buffers(&self, count: usize, length: usize) -> Result<Vec<DmaBuffer>, DmaError> {
        let stride = length.next_multiple_of(64);
        // Runs of at most 64 KiB, so that a machine whose memory is in pieces can still serve.
        let per_run = (16 * DmaBlock::PAGE / stride.max(1)).max(1);
        let mut buffers = Vec::with_capacity(count);
        while buffers.len() < count {
            let run = per_run.min(count - buffers.len());
            let pages = self.pages(run * stride)?;
            buffers.extend((0..run).map(|index| DmaBuffer::new(pages.clone(), index * stride, length)));
        }
        Ok(buffers)
    }

    /// A zeroed region of `length` bytes, page-aligned, to be carved into what driver and device both touch.
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
        // Whoever has memory for DMA wants the function to reach it; forgetting to is a classic.
        self.claimed.master_bus();
        Ok(Arc::new(pages))
    }
}

/// Why there was no DMA memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DmaError {
    /// Nothing was asked for.
    #[error("a DMA buffer of no bytes was wanted")]
    Empty,
    /// The machine has none.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// There is memory, but not where the device can reach it.
    #[error("the memory ends at {address:#x}, the device reaches {bits} bits of address")]
    OutOfReach {
        /// The last byte of the memory there was.
        address: u64,
        /// The bits that the device drives.
        bits: u8,
    },
}
