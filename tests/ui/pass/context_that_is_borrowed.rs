//! A context owns what it uses.

#![allow(dead_code, unused_imports)]

use std::sync::Arc;

use switchboard::interrupt::{Claim, InIsr, InterruptPort, LineIsr};

struct Shared {
    registers: Arc<u32>,
}

impl LineIsr for Shared {
    fn on_line(&self, _isr: &InIsr<'_>) -> Claim {
        if *self.registers == 0 { Claim::NotMine } else { Claim::Mine }
    }
}

fn connect(irq: InterruptPort, registers: Arc<u32>) {
    drop(irq.grant_line().unwrap().register(Arc::new(Shared { registers })).unmask());
}

fn main() {
    let _ = connect;
}
