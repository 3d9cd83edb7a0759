//! The owner of the machine reads which modes a function offers.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::config::Address;
use switchboard::machine::Machine;

fn offers(machine: &'static Machine, function: Address) -> Option<u8> {
    Some(machine.take(function)?.offers().msi)
}

fn main() {
    let _ = offers;
}
