//! The shared state is atomic.

#![allow(dead_code, unused_imports)]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;

use switchboard::interrupt::{Claim, InIsr, InterruptPort, LineIsr};

struct Shared {
    count: AtomicU32,
}

impl LineIsr for Shared {
    fn on_line(&self, _isr: &InIsr<'_>) -> Claim {
        self.count.fetch_add(1, Ordering::Relaxed);
        Claim::Mine
    }
}

fn connect(irq: InterruptPort) {
    let shared = Arc::new(Shared { count: AtomicU32::new(0) });
    drop(irq.grant_line().unwrap().register(shared).unmask());
}

fn main() {
    let _ = connect;
}
