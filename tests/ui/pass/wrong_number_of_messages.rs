//! Two messages are granted for a handler of two.

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
    drop(irq.grant_messages::<2, Shared>());
}

fn main() {
    let _ = connect;
}
