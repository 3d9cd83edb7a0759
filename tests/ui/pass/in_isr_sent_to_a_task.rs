//! The task does without it.

#![allow(dead_code, unused_imports)]

use switchboard::interrupt::{Claim, InIsr, LineIsr};

fn task(work: impl Future<Output = ()> + Send + 'static) {
    drop(work);
}

struct Shared;

impl LineIsr for Shared {
    fn on_line(&self, isr: &InIsr<'_>) -> Claim {
        isr.count_unclaimed();
        task(async {});
        Claim::Mine
    }
}

fn main() {}
