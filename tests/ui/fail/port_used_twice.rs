//! Hazard: the interrupts of a function are granted twice.

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

impl MessageIsr<2> for Shared {
    type Message = Nic;
    fn on_message(&self, message: Nic, _isr: &InIsr<'_>) {
        match message {
            Nic::Rx | Nic::Tx => {}
        }
    }
}

fn connect(irq: InterruptPort) {
    let granted = irq.grant::<2, Shared>().unwrap();
    let line = irq.grant_line::<Shared>().unwrap();
    drop((granted.register(Arc::new(Shared)).unmask(), line));
}

fn main() {
    let _ = connect;
}
