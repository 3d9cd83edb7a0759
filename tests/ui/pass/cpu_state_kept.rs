//! The state is used during the call.

#![allow(dead_code, unused_imports, unused_variables)]

use std::cell::Cell;

use switchboard::interrupt::{InIsr, PerCpu};

fn connect<'a>(calls: &'a PerCpu<Cell<u32>>, isr: &'a InIsr<'_>) -> &'a Cell<u32> {
    calls.get(isr)
}

fn main() {
    let _ = connect;
}
