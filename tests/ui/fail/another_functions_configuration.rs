//! Hazard: a driver writes the configuration space of another function.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::config::{Address, Width};
use switchboard::function::Function;

fn probe(function: Function) {
    let victim = Address::new(0, 0, 2, 0);
    function.machine().config.write(victim, 4, Width::Word, 4);
}

fn main() {
    let _ = probe;
}
