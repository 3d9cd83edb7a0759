//! Hazard: a handler reaches the state of another CPU.

#![allow(dead_code, unused_imports, unused_variables)]

use std::cell::Cell;

use switchboard::interrupt::{Cpu, InIsr, MessageIsr, PerCpu};

switchboard::messages! {
    enum Nic { Rx, Tx }
}

struct Shared {
    other: Cpu,
    calls: PerCpu<Cell<u32>>,
}

impl MessageIsr<2> for Shared {
    type Message = Nic;
    fn on_message(&self, _: Nic, isr: &InIsr<'_>) {
        self.calls.get(self.other).set(1);
    }
}

fn main() {}
