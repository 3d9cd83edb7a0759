//! Hazard: a single MSI message is steered, although all of them have one address.

#![allow(dead_code, unused_imports, unused_variables)]

use std::sync::Arc;

use switchboard::interrupt::{Cpu, InIsr, InterruptPort, MessageIsr};

switchboard::messages! {
    enum Nic { Rx, Tx }
}

struct Shared;

impl MessageIsr<2> for Shared {
    type Message = Nic;
    fn on_message(&self, _: Nic, _: &InIsr<'_>) {}
}

fn connect(irq: InterruptPort, cpu: Cpu) {
    let mut messages = irq.grant_messages().unwrap().register(Arc::new(Shared)).unmask();
    messages.as_msi().unwrap().steer(Nic::Rx, cpu).unwrap();
}

fn main() {
    let _ = connect;
}
