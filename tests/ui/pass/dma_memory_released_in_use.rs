//! An unsafe call releases it, with a contract.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::platform::{DmaBlock, Memory};

/// # Safety
/// No device writes to the block any more.
unsafe fn free(memory: &dyn Memory, block: DmaBlock) {
    // SAFETY: the caller keeps the contract.
    unsafe { memory.release(block) };
}

fn main() {
    let _ = free;
}
