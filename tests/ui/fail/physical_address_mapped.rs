//! Hazard: a driver maps a physical address.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::machine::Machine;

fn map(machine: &'static Machine) {
    let anything = machine.memory.map(0x10_0000, 4096);
}

fn main() {
    let _ = map;
}
