//! Memory for the descriptors of a ring, of either kind.

use switchboard::dma::{DmaPort, DmaShared};
use switchboard::driver::ProbeError;

/// The size of a receive or transmit descriptor.
pub(super) const DESCRIPTOR_BYTES: u16 = 16;

/// Allocates the descriptors of a ring, zeroed, and aligned to their 16 bytes.
pub(super) fn descriptors<T: Copy>(dma: &DmaPort, count: u16) -> Result<DmaShared<T>, ProbeError> {
    let mut region = dma.region((count * DESCRIPTOR_BYTES).into())?;
    region
        .carve(count.into(), DESCRIPTOR_BYTES.into())
        .ok_or(ProbeError::Device("the descriptors do not fit their region"))
}
