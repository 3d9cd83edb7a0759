//! The error of mapping a BAR.

use crate::assign::Unassigned;
use crate::ownership::Gone;
use crate::platform::MemoryError;

/// The reason why a BAR was not mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MapError {
    /// The function does not implement the BAR.
    #[error("BAR {index} is missing")]
    Missing {
        /// The index of the BAR.
        index: u8,
    },
    /// The BAR decodes I/O ports.
    #[error("BAR {index} decodes ports, memory is wanted")]
    Io {
        /// The index of the BAR.
        index: u8,
    },
    /// The BAR has no address.
    #[error("BAR {index} has no address: {reason}")]
    Unassigned {
        /// The index of the BAR.
        index: u8,
        /// The reason.
        reason: Unassigned,
    },
    /// The window reaches past the end of the BAR, or is shorter than the block.
    #[error("BAR {index} is too small: {wanted} bytes wanted, {size} there")]
    TooSmall {
        /// The index of the BAR.
        index: u8,
        /// The bytes that the window needs.
        wanted: u64,
        /// The bytes that there are.
        size: u64,
    },
    /// The start of the window is not aligned to the widest access of its registers.
    #[error("a window at {offset:#x} of BAR {index} is not aligned to {align} bytes")]
    Misaligned {
        /// The index of the BAR.
        index: u8,
        /// The offset of the window in the BAR.
        offset: u64,
        /// The alignment that the registers need, in bytes.
        align: u64,
    },
    /// The window overlaps the MSI-X table or its pending bits. Only the framework accesses those: an entry holds an address
    /// that the device writes to.
    #[error("BAR {index} holds the MSI-X table or pending bits at {start:#x}..{end:#x}, inside the wanted window")]
    MsixTable {
        /// The index of the BAR.
        index: u8,
        /// The offset of their first byte.
        start: u64,
        /// The offset behind their last byte.
        end: u64,
    },
    /// The machine could not map the memory.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The function was removed.
    #[error(transparent)]
    Gone(#[from] Gone),
}
