//! Only the CPU's interrupt entry dispatches a vector, and promises that deliveries do not overlap. This one compiles.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::vector::VectorTable;

/// # Safety
/// Deliveries of a vector do not overlap.
unsafe fn deliver(vectors: &VectorTable) {
    // SAFETY: the caller's promise.
    unsafe { vectors.dispatch(40) };
}

fn main() {
    let _ = deliver;
}
