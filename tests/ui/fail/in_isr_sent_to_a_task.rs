//! Hazard: a handler passes its proof to a task.

#![allow(dead_code, unused_imports)]

use switchboard::interrupt::{Claim, InIsr, LineIsr};

fn task(work: impl Future<Output = ()> + Send + 'static) {
    drop(work);
}

struct Shared;

impl LineIsr for Shared {
    fn on_line(&self, isr: &InIsr<'_>) -> Claim {
        task(async { isr.count_unclaimed() });
        Claim::Mine
    }
}

fn main() {}
