//! The owner of the machine reads which vectors are in use.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::interrupt::Vector;
use switchboard::machine::Machine;

fn first(machine: &'static Machine) -> Option<Vector> {
    Some(machine.interrupt_report().first()?.vector)
}

fn main() {
    let _ = first;
}
