//! The CPUs that run are values.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::interrupt::{Cpu, InterruptPort};

fn connect(irq: InterruptPort) -> InterruptPort {
    match irq.cpus().nth(3) {
        Some(cpu) => irq.prefer_cpu(cpu),
        None => irq,
    }
}

fn main() {
    let _ = connect;
}
