//! Hazard: a machine is copied, and hands out each function twice.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::machine::Machine;

fn copy(machine: &'static Machine) -> Machine {
    Machine { ..*machine }
}

fn main() {
    let _ = copy;
}
