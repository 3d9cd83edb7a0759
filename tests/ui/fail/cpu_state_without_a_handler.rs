//! Hazard: a task reaches state that the handlers of a CPU use without a lock.

#![allow(dead_code, unused_imports, unused_variables)]

use std::cell::Cell;
use std::sync::Arc;

use switchboard::interrupt::PerCpu;

fn connect(calls: Arc<PerCpu<Cell<u32>>>) -> u32 {
    calls.iter().map(|(_, calls)| calls.get()).sum()
}

fn main() {
    let _ = connect;
}
