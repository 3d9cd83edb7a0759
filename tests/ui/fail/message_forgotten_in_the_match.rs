//! Hazard: a handler ignores one of its messages.

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
            Nic::Rx => {}
        }
    }
}

fn main() {}
