//! Hazard: a vector of another driver is raised.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::interrupt::Vector;
use switchboard::machine::Machine;

fn raise(machine: &'static Machine) {
    machine.controller.raise(Vector::new(0, 40));
}

fn main() {
    let _ = raise;
}
