//! Access to physical memory, for firmware tables.

use alloc::vec::Vec;

/// Physical memory that firmware tables are copied from.
#[cfg_attr(not(feature = "fuzzing"), expect(unreachable_pub, reason = "public with the feature `fuzzing`"))]
pub trait PhysicalMemory {
    /// Copies `length` bytes at `address`. Returns `None` when they cannot be mapped.
    fn copy(&self, address: u64, length: u64) -> Option<Vec<u8>>;
}
