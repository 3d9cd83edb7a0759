//! Hazard: a context is pinned to another CPU while this one keeps a reference to a part of it.

#![allow(dead_code, unused_imports, unused_variables)]

use std::cell::Cell;
use std::rc::Rc;

use switchboard::interrupt::{Cpu, InIsr, InterruptPort, PinnedIsr};

switchboard::messages! {
    enum Nic { Rx, Tx }
}

struct Ring {
    entries: Rc<Cell<u32>>,
}

impl PinnedIsr<2> for Ring {
    type Message = Nic;
    fn on_message(&self, _: Nic, _: &InIsr<'_>) {
        self.entries.set(self.entries.get() + 1);
    }
}

fn main() {}
