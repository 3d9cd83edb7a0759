//! Hazard: a line handler does not return whether the interrupt was its own.
use switchboard::interrupt::{InIsr, LineIsr};

struct Shared;
impl LineIsr for Shared {
    fn on_line(&self, _isr: &InIsr<'_>) {}
}

fn main() {}
