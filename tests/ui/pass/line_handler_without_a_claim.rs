//! A line handler returns it.
use switchboard::interrupt::{Claim, InIsr, LineIsr};

struct Shared;
impl LineIsr for Shared {
    fn on_line(&self, _isr: &InIsr<'_>) -> Claim {
        Claim::NotMine
    }
}

fn main() {}
