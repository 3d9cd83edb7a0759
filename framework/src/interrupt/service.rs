//! One handler for a line and for a single message, as the InterruptService routine of Windows.

use super::isr::{InIsr, LineIsr, MessageIsr, MessageSet};
use crate::vector::{Activity, Claim};

/// A context that serves a line as the line handler `I` does, and a single message the same way.
///
/// A driver chooses it with [`InterruptPort::grant_service`](super::InterruptPort::grant_service). A message that the handler
/// does not claim is counted as unclaimed.
///
/// ```
/// use std::sync::Arc;
/// use switchboard::interrupt::{Claim, InIsr, LineAsMessage, LineIsr, Mode};
/// # use switchboard_testing::{FakeFunction, FakeMachine};
///
/// struct Shared;
/// impl LineIsr for Shared {
///     fn on_line(&self, _: &InIsr<'_>) -> Claim {
///         Claim::Mine
///     }
/// }
///
/// # let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8).pin(1, 11).msi(1)]);
/// # let function = fake.machine().take_all().remove(0);
/// # let address = function.address();
/// # let irq = function.claim()?.irq;
/// let interrupts = irq.grant_service()?.register(Arc::new(LineAsMessage(Shared))).unmask();
/// assert_eq!(interrupts.mode(), Mode::Msi);
/// # fake.send(address, 0).expect("sent");
/// # assert_eq!(fake.machine().interrupt_report()[0].claimed(), 1);
/// # Ok::<(), switchboard::driver::ProbeError>(())
/// ```
#[derive(Debug)]
pub struct LineAsMessage<I>(pub I);

/// The only message of [`LineAsMessage`].
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

    fn activity(&self) -> Activity {
        self.0.activity()
    }
}

impl<I: LineIsr> MessageIsr<1> for LineAsMessage<I> {
    type Message = ServiceMessage;
    fn on_message(&self, ServiceMessage: ServiceMessage, isr: &InIsr<'_>) {
        // A message is not shared, so no other handler is called. A message that is not claimed is a fault of the device.
        if self.0.on_line(isr) == Claim::NotMine {
            isr.count_unclaimed();
        }
    }

    fn activity(&self, ServiceMessage: ServiceMessage) -> Activity {
        self.0.activity()
    }
}
