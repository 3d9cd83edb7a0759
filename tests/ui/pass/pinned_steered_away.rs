//! They stay where they were granted.

#![allow(dead_code, unused_imports, unused_variables)]

use std::cell::Cell;

use switchboard::interrupt::{Cpu, InIsr, InterruptPort, PinnedIsr};

switchboard::messages! {
    enum Nic { Rx, Tx }
}

struct Ring {
    entries: Cell<u32>,
}

impl PinnedIsr<2> for Ring {
    type Message = Nic;
    fn on_message(&self, _: Nic, _: &InIsr<'_>) {
        self.entries.set(self.entries.get() + 1);
    }
}

fn connect(irq: InterruptPort, cpu: Cpu, other: Cpu) {
    let mut messages = irq.grant_pinned(cpu).unwrap().register(Ring { entries: Cell::new(0) }).unmask();
    assert_eq!(messages.with_context(|ring| ring.entries.get()), 0);
}

fn main() {
    let _ = connect;
}
