//! Hazard: code writes the message address of another function.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::config::Address;
use switchboard::machine::Machine;

fn aim(machine: &'static Machine, victim: Address) {
    let record = machine.inventory.find(victim).unwrap();
    record.space.write_u32(record.msi.unwrap().offset + 4, 0x0010_0000);
}

fn main() {
    let _ = aim;
}
