//! The proof is used during the call.

#![allow(dead_code, unused_imports)]

use switchboard::interrupt::{Claim, InIsr, LineIsr};
use switchboard::event::Notifier;

struct Shared {
    done: Notifier,
}

impl LineIsr for Shared {
    fn on_line(&self, isr: &InIsr<'_>) -> Claim {
        self.done.notify(isr);
        Claim::Mine
    }
}

fn main() {}
