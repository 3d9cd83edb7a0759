//! A machine is built once for its hardware, by who vouches for its parts. This one compiles.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::machine::{Machine, MachineParts};

/// # Safety
/// As for `Machine::new`.
unsafe fn build(parts: MachineParts) -> Machine {
    // SAFETY: the caller's promise.
    unsafe { Machine::new(parts) }
}

fn main() {
    let _ = build;
}
