//! Hazard: a message handler is registered for a line.

#![allow(dead_code, unused_imports)]

use std::sync::Arc;

use switchboard::interrupt::{Claim, InIsr, InterruptPort, LineIsr, MessageIsr};

switchboard::messages! {
    enum Nic { Rx, Tx }
}

struct Shared;

impl MessageIsr<2> for Shared {
    type Message = Nic;
    fn on_message(&self, message: Nic, _isr: &InIsr<'_>) {
        match message {
            Nic::Rx | Nic::Tx => {}
        }
    }
}

fn connect(irq: InterruptPort) {
    let line = irq.grant_line().unwrap().register(Arc::new(Shared)).unmask();
    drop(line);
}

fn main() {
    let _ = connect;
}
