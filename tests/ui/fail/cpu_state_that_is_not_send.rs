//! Hazard: each CPU has a reference to the same value, which is not `Sync`.

#![allow(dead_code, unused_imports, unused_variables)]

use std::cell::Cell;
use std::rc::Rc;

use switchboard::interrupt::{InterruptPort, PerCpu};

fn connect(irq: &InterruptPort) {
    let shared = Rc::new(Cell::new(0));
    let calls = irq.per_cpu(|_| shared.clone());
}

fn main() {
    let _ = connect;
}
