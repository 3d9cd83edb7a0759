//! One routine for a line and a message, as a Windows InterruptService may be.

use super::isr::{InIsr, LineIsr, MessageIsr, MessageSet};
use crate::vector::Claim;

/// One routine for both forms: serves a line as `I` does, and a single message the same way.
///
/// Chosen on purpose, by [`InterruptPort::grant_service`](super::InterruptPort::grant_service).
#[derive(Debug)]
pub struct LineAsMessage<I>(pub I);

/// The one message of [`LineAsMessage`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceMessage;

impl MessageSet<1> for ServiceMessage {
    const ALL: [Self; 1] = [Self];
    const NAMES: [&'static str; 1] = ["Service"];
    fn index(self) -> usize {
        0
    }
}

impl<I: LineIsr> LineIsr for LineAsMessage<I> {
    fn on_line(&self, isr: &InIsr<'_>) -> Claim {
        self.0.on_line(isr)
    }
}

impl<I: LineIsr> MessageIsr<1> for LineAsMessage<I> {
    type Message = ServiceMessage;
    fn on_message(&self, ServiceMessage: ServiceMessage, isr: &InIsr<'_>) {
        // Nobody else hears a message, so nobody else is asked; but it should have been this function's.
        if self.0.on_line(isr) == Claim::NotMine {
            isr.count_unclaimed();
        }
    }
}
