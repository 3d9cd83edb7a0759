//! Nor is a machine copied, or taken apart for its parts. This one compiles.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::machine::Machine;

fn share(machine: &'static Machine) -> [&'static Machine; 2] {
    [machine, machine]
}

fn main() {
    let _ = share;
}
