//! A claimed function's way onto the bus, and how it loses that.

use alloc::sync::Arc;

use crate::ownership::Claimed;

/// The way of a claimed function onto the bus. It masters the bus as soon as it has memory to reach or messages to
/// send; this is for taking that away again from one that cannot be trusted any more.
#[derive(Debug)]
pub struct BusPort {
    claimed: Arc<Claimed>,
}

impl BusPort {
    pub(super) fn new(claimed: Arc<Claimed>) -> Self {
        Self { claimed }
    }

    /// Cuts the function off for as long as it is claimed: no access to memory, no message, no pin. Its registers
    /// can still be reached. Needs no help of the function's registers, and nothing that is granted or unmasked
    /// later undoes it.
    pub fn isolate(&self) {
        self.claimed.isolate();
    }

    /// Whether it was cut off.
    #[must_use]
    pub fn is_isolated(&self) -> bool {
        self.claimed.is_isolated()
    }
}
