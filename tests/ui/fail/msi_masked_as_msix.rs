//! Hazard: a single MSI message is masked, although only MSI-X messages can be.

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
    let mut messages = irq.grant_messages().unwrap().register(Arc::new(Shared)).unmask();
    messages.mask(Nic::Rx);
}

fn main() {
    let _ = connect;
}
