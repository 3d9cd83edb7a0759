//! The context moves there as a whole.

#![allow(dead_code, unused_imports, unused_variables)]

use std::cell::Cell;
use std::rc::Rc;

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

fn main() {}
