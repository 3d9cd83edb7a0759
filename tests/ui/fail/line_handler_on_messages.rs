//! Hazard: a line handler is registered for messages.

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
    let messages = irq.grant_messages::<1, Shared>().unwrap().register(Arc::new(Shared)).unmask();
    drop(messages);
}

fn main() {
    let _ = connect;
}
