//! A line handler is registered for a line.

#![allow(dead_code, unused_imports)]

use std::sync::Arc;

use switchboard::interrupt::{Claim, InIsr, InterruptPort, LineIsr, MessageIsr};

switchboard::messages! {
    enum Nic { Rx, Tx }
}

struct Shared;

impl LineIsr for Shared {
    fn on_line(&self, _isr: &InIsr<'_>) -> Claim {
        Claim::NotMine
    }
}

fn connect(irq: InterruptPort) {
    let line = irq.grant_line().unwrap().register(Arc::new(Shared)).unmask();
    drop(line);
}

fn main() {
    let _ = connect;
}
