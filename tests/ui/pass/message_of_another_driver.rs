//! A driver uses its own messages.

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

switchboard::messages! {
    enum Disk { Done }
}

fn entry(irq: InterruptPort) -> u16 {
    irq.grant_messages::<2, Shared>().unwrap().entry(Nic::Tx)
}

fn main() {
    let _ = (entry, Disk::Done);
}
