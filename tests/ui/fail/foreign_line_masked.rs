//! Lines are masked by their own grants, not by number.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::interrupt::Gsi;
use switchboard::machine::Machine;

fn mask(machine: &'static Machine) {
    machine.controller.mask(Gsi(11));
}

fn main() {
    let _ = mask;
}
