//! The driver chooses one handler for both forms.

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
    let service = irq.grant_service::<Shared>().unwrap();
    drop(service.register(Arc::new(switchboard::interrupt::LineAsMessage(Shared))).unmask());
}

fn main() {
    let _ = connect;
}
