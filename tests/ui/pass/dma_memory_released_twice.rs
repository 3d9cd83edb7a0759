//! Two blocks are released once each.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::platform::{DmaBlock, Memory};

/// # Safety
/// No device writes to the blocks any more.
unsafe fn free(memory: &dyn Memory, [first, second]: [DmaBlock; 2]) {
    // SAFETY: the caller keeps the contract.
    unsafe { memory.release(first) };
    // SAFETY: as above; it is another block.
    unsafe { memory.release(second) };
}

fn main() {
    let _ = free;
}
