//! Only the CPU's interrupt entry dispatches a vector, and promises that deliveries do not overlap.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::vector::VectorTable;

fn deliver(vectors: &VectorTable) {
    vectors.dispatch(40);
}

fn main() {
    let _ = deliver;
}
