//! Hazard: one message of a line is steered, although a line has none.

#![allow(dead_code, unused_imports, unused_variables)]

use std::sync::Arc;

use switchboard::interrupt::{Claim, Cpu, InIsr, InterruptPort, LineIsr};

struct Shared;

impl LineIsr for Shared {
    fn on_line(&self, _: &InIsr<'_>) -> Claim {
        Claim::NotMine
    }
}

fn connect(irq: InterruptPort, cpu: Cpu) {
    let mut line = irq.grant_line().unwrap().register(Arc::new(Shared)).unmask();
    line.as_msix().unwrap().steer(0, cpu).unwrap();
}

fn main() {
    let _ = connect;
}
