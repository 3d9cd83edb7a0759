//! A function is claimed once.

#![allow(dead_code, unused_imports)]

use switchboard::function::{Function, Resources};

fn probe(function: Function) {
    drop(function.claim());
}

fn main() {
    let _ = (probe, |resources: Resources| resources.irq);
}
