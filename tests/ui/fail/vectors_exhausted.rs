//! Hazard: code allocates all vectors.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::machine::Machine;

fn take_all(machine: &'static Machine) {
    let all = machine.vectors.allocate(machine.free_vectors(), 1);
    core::mem::forget(all);
}

fn main() {
    let _ = take_all;
}
