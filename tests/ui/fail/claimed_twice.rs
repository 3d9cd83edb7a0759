//! Hazard: a function is claimed twice.

#![allow(dead_code, unused_imports)]

use switchboard::function::{Function, Resources};

fn probe(function: Function) {
    drop(function.claim());
    drop(function.claim());
}

fn main() {
    let _ = (probe, |resources: Resources| resources.irq);
}
