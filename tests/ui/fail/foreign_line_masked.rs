//! Hazard: a line of another driver is masked by its number.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::interrupt::Gsi;
use switchboard::machine::Machine;

fn mask(machine: &'static Machine) {
    machine.controller.mask(Gsi(11));
}

fn main() {
    let _ = mask;
}
