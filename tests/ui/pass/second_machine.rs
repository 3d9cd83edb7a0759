//! An unsafe constructor builds it, with a contract.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::machine::{Machine, MachineParts};

/// # Safety
/// As for `Machine::new`.
unsafe fn build(parts: MachineParts) -> Machine {
    // SAFETY: the caller keeps the contract.
    unsafe { Machine::new(parts) }
}

fn main() {
    let _ = build;
}
