//! A reference to the machine is copied.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::machine::Machine;

fn share(machine: &'static Machine) -> [&'static Machine; 2] {
    [machine, machine]
}

fn main() {
    let _ = share;
}
