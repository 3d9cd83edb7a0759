//! A machine is built once for its hardware, by who vouches for its parts.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::machine::{Machine, MachineParts};

fn another(parts: MachineParts) -> Machine {
    Machine::new(parts)
}

fn main() {
    let _ = another;
}
