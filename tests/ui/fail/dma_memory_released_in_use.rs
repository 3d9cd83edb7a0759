//! Hazard: DMA memory is released while a device may still write to it.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::platform::{DmaBlock, Memory};

fn free(memory: &dyn Memory, block: DmaBlock) {
    memory.release(block);
}

fn main() {
    let _ = free;
}
