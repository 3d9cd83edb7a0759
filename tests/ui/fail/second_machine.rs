//! Hazard: a second machine is built for the same hardware.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::machine::{Machine, MachineParts};

fn another(parts: MachineParts) -> Machine {
    Machine::new(parts)
}

fn main() {
    let _ = another;
}
