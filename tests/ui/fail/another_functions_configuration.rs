//! A driver does not reach the machine, and so no other function's configuration space.

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
