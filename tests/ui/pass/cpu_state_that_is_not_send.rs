//! Each CPU has a value of its own.

#![allow(dead_code, unused_imports, unused_variables)]

use std::cell::Cell;
use std::rc::Rc;

use switchboard::interrupt::{InterruptPort, PerCpu};

fn connect(irq: &InterruptPort) {
    let calls = irq.per_cpu(|_| Cell::new(0));
}

fn main() {
    let _ = connect;
}
