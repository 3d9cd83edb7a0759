//! A message's address and data are the framework's to write, whatever the function. This one compiles.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::config::Address;
use switchboard::machine::Machine;

fn offers(machine: &'static Machine, function: Address) -> Option<u8> {
    Some(machine.take(function)?.offers().msi)
}

fn main() {
    let _ = offers;
}
