//! A suspended function has no registers; it is resumed first.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::function::Suspended;

fn claim(suspended: Suspended) {
    drop(suspended.claim());
}

fn main() {
    let _ = claim;
}
