//! A driver does not reach the machine, and so no other function's configuration space. This one compiles.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::function::Function;

fn probe(function: Function) -> Option<u16> {
    let resources = function.claim().ok()?;
    Some(resources.config.read_u16(4))
}

fn main() {
    let _ = probe;
}
