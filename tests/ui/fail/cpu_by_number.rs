//! Hazard: a CPU is named by a number, which may be that of one that does not run.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::interrupt::{Cpu, InterruptPort};

fn connect(irq: InterruptPort) -> InterruptPort {
    irq.prefer_cpu(Cpu(3))
}

fn main() {
    let _ = connect;
}
