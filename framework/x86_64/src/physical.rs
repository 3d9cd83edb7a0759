//! Reading firmware's tables, which lie at physical addresses.

use alloc::vec::Vec;

/// Physical memory that firmware tables are copied from.
#[cfg_attr(not(feature = "fuzzing"), expect(unreachable_pub, reason = "public with the feature `fuzzing`"))]
pub trait PhysicalMemory {
    /// Copies `length` bytes at `address`. Returns `None` where there is nothing that can be mapped.
    fn copy(&self, address: u64, length: u64) -> Option<Vec<u8>>;
}
