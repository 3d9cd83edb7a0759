//! Hazard: a handler stores its proof, and uses it after it returned.

#![allow(dead_code, unused_imports)]

use std::cell::Cell;

use switchboard::interrupt::{Claim, InIsr, LineIsr};

thread_local! {
    static KEPT: Cell<Option<&'static InIsr<'static>>> = Cell::new(None);
}

struct Shared;

impl LineIsr for Shared {
    fn on_line(&self, isr: &InIsr<'_>) -> Claim {
        KEPT.set(Some(isr));
        Claim::Mine
    }
}

fn main() {}
