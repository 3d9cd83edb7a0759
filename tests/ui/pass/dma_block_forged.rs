//! An unsafe constructor makes it, with a contract.

#![allow(dead_code, unused_imports, unused_variables)]

use core::ptr::NonNull;
use switchboard::platform::DmaBlock;

/// # Safety
/// The page has no other user.
unsafe fn block(page: NonNull<u8>, bus: u64) -> DmaBlock {
    // SAFETY: the caller keeps the contract.
    unsafe { DmaBlock::new(page, bus, 1) }
}

fn main() {
    let _ = block;
}
