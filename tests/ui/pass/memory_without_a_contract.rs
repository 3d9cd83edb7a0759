//! An unsafe implementation keeps the contract.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::platform::{DmaBlock, Mapping, Memory, MemoryError};

struct Nothing;

// SAFETY: nothing is mapped and nothing allocated.
unsafe impl Memory for Nothing {
    fn map(&self, physical: u64, length: u64) -> Result<Mapping, MemoryError> {
        Err(MemoryError::Unreachable { physical, length })
    }

    fn allocate(&self, pages: usize) -> Result<DmaBlock, MemoryError> {
        Err(MemoryError::OutOfMemory { wanted: pages })
    }

    unsafe fn release(&self, _: DmaBlock) {}
}

fn main() {}
