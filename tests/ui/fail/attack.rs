//! Hazard: a driver attacks the rest of the machine in every way that an open `Machine` would allow.

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
    // A vector, which calls the handler of another driver.
    machine.controller.raise(Vector::new(0, 33));
    // All vectors.
    machine.cpus.limit(0);
    // Any physical memory.
    let _ = machine.memory.map(0, 4096);
    machine.memory.release(machine.memory.allocate(1).unwrap());
    // Functions of other drivers.
    machine.scan();
    let _ = machine.take(victim);
}

fn main() {
    let _ = probe;
}
