//! A block of DMA memory stands for memory that somebody vouches for. This one compiles.

#![allow(dead_code, unused_imports, unused_variables)]

use core::ptr::NonNull;
use switchboard::platform::DmaBlock;

/// # Safety
/// The page is the block's alone.
unsafe fn block(page: NonNull<u8>, bus: u64) -> DmaBlock {
    // SAFETY: the caller's promise.
    unsafe { DmaBlock::new(page, bus, 1) }
}

fn main() {
    let _ = block;
}
