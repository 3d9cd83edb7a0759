//! The owner of the machine reads how many vectors are free.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::machine::Machine;

fn free(machine: &'static Machine) -> usize {
    machine.free_vectors()
}

fn main() {
    let _ = free;
}
