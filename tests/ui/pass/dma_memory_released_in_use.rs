//! DMA memory goes back when no device writes there any more, which who frees it must know. This one compiles.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::platform::{DmaBlock, Memory};

/// # Safety
/// No device writes to the block any more.
unsafe fn free(memory: &dyn Memory, block: DmaBlock) {
    // SAFETY: the caller's promise.
    unsafe { memory.release(block) };
}

fn main() {
    let _ = free;
}
