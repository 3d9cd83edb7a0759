//! Hazard: a driver keeps masked interrupts as live ones, and never gets any.

#![allow(dead_code, unused_imports)]

use std::sync::Arc;

use switchboard::interrupt::{Claim, InIsr, InterruptPort, Line, LineIsr, Live, MessageIsr};

switchboard::messages! {
    enum Nic { Rx, Tx }
}

struct Shared;

impl LineIsr for Shared {
    fn on_line(&self, _isr: &InIsr<'_>) -> Claim {
        Claim::NotMine
    }
}

struct Driver {
    line: Line<Shared, Live>,
}

fn connect(irq: InterruptPort) -> Driver {
    Driver { line: irq.grant_line().unwrap().register(Arc::new(Shared)) }
}

fn main() {
    let _ = (connect, |driver: Driver| driver.line);
}
