//! Device memory and DMA memory of the machine.

#![expect(unsafe_code, reason = "the trait's contract is what memory safety of registers and DMA rests on")]

use core::fmt;
use core::ptr::NonNull;

use super::DmaBlock;

/// Device memory and DMA memory.
///
/// # Safety
/// - A [`Mapping::Direct`] that [`map`](Self::map) returns is valid for volatile accesses of `length` bytes for the rest of the program,
///   is aligned as `physical` is (up to 8 bytes), and reaches device memory only, never memory that Rust code uses otherwise.
/// - Blocks of [`allocate`](Self::allocate) satisfy the invariants of [`DmaBlock`], and their bus address is that memory for the devices of the machine.
pub unsafe trait Memory: Send + Sync {
    /// Maps device memory, uncached. Mapping a range twice returns the same mapping; mappings are permanent.
    ///
    /// # Errors
    /// [`MemoryError`] when the range is not device memory, cannot be addressed, or there is no memory for page tables.
    fn map(&self, physical: u64, length: u64) -> Result<Mapping, MemoryError>;

    /// Allocates `pages` zeroed pages of 4,096 bytes that devices can reach, physically contiguous.
    ///
    /// # Errors
    /// [`MemoryError::OutOfMemory`].
    fn allocate(&self, pages: usize) -> Result<DmaBlock, MemoryError>;

    /// Frees a block.
    ///
    /// # Safety
    /// The block came from [`allocate`](Self::allocate) of this value, and no device writes there any more: the function that used it no
    /// longer masters the bus.
    unsafe fn release(&self, block: DmaBlock);
}

/// Registers that [`Memory::map`] has made reachable.
#[derive(Clone, Copy)]
pub enum Mapping {
    /// In this CPU's address space.
    Direct(NonNull<u8>),
    /// By calls: the registers of an emulated device.
    Emulated(&'static dyn RegisterAccess),
}

impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct(pointer) => f.debug_tuple("Direct").field(pointer).finish(),
            Self::Emulated(_) => f.write_str("Emulated"),
        }
    }
}

impl Mapping {
    /// Returns the address, for memory that is mapped.
    #[must_use]
    pub fn direct(self) -> Option<NonNull<u8>> {
        match self {
            Self::Direct(pointer) => Some(pointer),
            Self::Emulated(_) => None,
        }
    }
}

/// Registers of an emulated device. Offsets count from the start of the mapping, and are multiples of `bytes`, which is 1, 2, 4 or 8.
pub trait RegisterAccess: Send + Sync {
    /// Reads a register.
    fn read(&self, offset: u64, bytes: u8) -> u64;

    /// Writes a register.
    fn write(&self, offset: u64, bytes: u8, value: u64);
}

/// Why memory was not mapped or allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// The allocator is exhausted.
    #[error("out of memory: {wanted} bytes wanted")]
    OutOfMemory {
        /// The bytes requested.
        wanted: usize,
    },
    /// Some of the range is RAM, which a driver could then write as if it were registers.
    #[error("{length:#x} bytes at physical {physical:#x} are not device memory: RAM is there")]
    Ram {
        /// Start of the range.
        physical: u64,
        /// Its bytes.
        length: u64,
    },
    /// The range is beyond what the page tables address, or wraps.
    #[error("{length:#x} bytes at physical {physical:#x} cannot be mapped")]
    Unreachable {
        /// Start of the range.
        physical: u64,
        /// Its bytes.
        length: u64,
    },
}
