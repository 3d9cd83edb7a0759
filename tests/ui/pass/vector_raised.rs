//! No vector is raised or called by number. This one compiles.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::interrupt::Vector;
use switchboard::machine::Machine;

fn first(machine: &'static Machine) -> Option<Vector> {
    Some(machine.interrupt_report().first()?.vector)
}

fn main() {
    let _ = first;
}
