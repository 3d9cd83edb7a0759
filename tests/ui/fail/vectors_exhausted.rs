//! Hazard: code allocates all vectors.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::machine::Machine;

fn take_all(machine: &'static Machine) {
    machine.cpus.limit(0);
}

fn main() {
    let _ = take_all;
}
