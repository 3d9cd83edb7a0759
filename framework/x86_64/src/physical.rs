//! Reading firmware's tables, which lie at physical addresses.

use alloc::vec::Vec;

/// Physical memory, to read tables from.
pub trait PhysicalMemory {
    /// Copies `length` bytes at `address`. Returns `None` where there is nothing that can be mapped.
    fn copy(&self, address: u64, length: u64) -> Option<Vec<u8>>;
}
