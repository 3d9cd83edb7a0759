//! Hazard: a context borrows from a stack frame, which a leaked registration outlives.

#![allow(dead_code, unused_imports)]

use std::sync::Arc;

use switchboard::interrupt::{Claim, InIsr, InterruptPort, LineIsr};

struct Shared<'a> {
    registers: &'a u32,
}

impl<'a> LineIsr for Shared<'a> {
    fn on_line(&self, _isr: &InIsr<'_>) -> Claim {
        if *self.registers == 0 { Claim::NotMine } else { Claim::Mine }
    }
}

fn connect(irq: InterruptPort, registers: &u32) {
    drop(irq.grant_line().unwrap().register(Arc::new(Shared { registers })).unmask());
}

fn main() {
    let _ = connect;
}
