//! Nor is a machine copied, or taken apart for its parts.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::machine::Machine;

fn copy(machine: &'static Machine) -> Machine {
    Machine { ..*machine }
}

fn main() {
    let _ = copy;
}
