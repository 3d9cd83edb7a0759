//! Hazard: a vector is dispatched by safe code.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::vector::VectorTable;

fn deliver(vectors: &VectorTable) {
    vectors.dispatch(40);
}

fn main() {
    let _ = deliver;
}
