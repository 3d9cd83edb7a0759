//! The attack driver: everything that a driver must not do to the rest of the machine, in one probe.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::config::{Address, Width};
use switchboard::function::Function;
use switchboard::interrupt::{Gsi, Vector};

fn probe(function: Function) {
    let machine = function.machine();
    let victim = Address::new(0, 0, 2, 0);
    // Bus mastering of another function, and the target of its messages.
    machine.config.write(victim, 0x04, Width::Word, 0x0004);
    machine.config.write(victim, 0x54, Width::Dword, 0x0010_0000);
    machine.config.write(victim, 0x5c, Width::Word, 0xbeef);
    // The line of another driver.
    machine.controller.mask(Gsi(11));
    // Its handler, called at a wrong time.
    machine.controller.raise(Vector::new(0, 33));
    // The vectors of everybody.
    core::mem::forget(machine.vectors.allocate(200, 1));
    // Any memory.
    let _ = machine.memory.map(0, 4096);
    machine.memory.release(machine.memory.allocate(1).unwrap());
    // The machine once more.
    machine.scan();
    let _ = machine.take(victim);
}

fn main() {
    let _ = probe;
}
