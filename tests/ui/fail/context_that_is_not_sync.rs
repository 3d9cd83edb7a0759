//! Hazard: a handler and a task race on state that is not `Sync`.

#![allow(dead_code, unused_imports)]

use std::cell::Cell;
use std::sync::Arc;

use switchboard::interrupt::{Claim, InIsr, InterruptPort, LineIsr};

struct Shared {
    count: Cell<u32>,
}

impl LineIsr for Shared {
    fn on_line(&self, _isr: &InIsr<'_>) -> Claim {
        self.count.set(self.count.get() + 1);
        Claim::Mine
    }
}

fn connect(irq: InterruptPort) {
    let shared = Arc::new(Shared { count: Cell::new(0) });
    drop(irq.grant_line().unwrap().register(shared).unmask());
}

fn main() {
    let _ = connect;
}
