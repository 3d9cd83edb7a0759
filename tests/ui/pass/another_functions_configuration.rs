//! A driver reads the configuration space of its own function.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::function::Function;

fn probe(function: Function) -> Option<u16> {
    let resources = function.claim().ok()?;
    Some(resources.config.read_u16(4))
}

fn main() {
    let _ = probe;
}
