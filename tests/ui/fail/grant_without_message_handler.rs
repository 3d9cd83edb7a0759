//! Hazard: a driver accepts any interrupt mode and has no handler for messages.

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
    let either = irq.grant::<1, Shared>().unwrap();
    drop(either.register(Arc::new(Shared)).unmask());
}

fn main() {
    let _ = connect;
}
