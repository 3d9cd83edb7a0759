//! Hazard: a block of DMA memory is made for any address.

#![allow(dead_code, unused_imports, unused_variables)]

use core::ptr::NonNull;
use switchboard::platform::DmaBlock;

fn forge() -> DmaBlock {
    DmaBlock::new(NonNull::dangling(), 0x10_0000, 1)
}

fn main() {
    let _ = forge;
}
