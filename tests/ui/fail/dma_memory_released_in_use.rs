//! DMA memory goes back when no device writes there any more, which who frees it must know.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::platform::{DmaBlock, Memory};

fn free(memory: &dyn Memory, block: DmaBlock) {
    memory.release(block);
}

fn main() {
    let _ = free;
}
