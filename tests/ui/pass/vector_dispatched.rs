//! An unsafe call dispatches it, with a contract.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::vector::VectorTable;

/// # Safety
/// Deliveries of a vector do not overlap.
unsafe fn deliver(vectors: &VectorTable) {
    // SAFETY: the caller keeps the contract.
    unsafe { vectors.dispatch(40) };
}

fn main() {
    let _ = deliver;
}
