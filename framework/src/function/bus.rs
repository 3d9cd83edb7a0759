//! Bus mastering of a claimed function, and its isolation.

use alloc::sync::Arc;

use crate::ownership::Claimed;

/// Control over bus mastering of a claimed function; a field of [`Resources`](crate::function::Resources).
///
/// The framework turns bus mastering on when the function is allocated DMA memory or granted messages. This turns it off for a
/// function that misbehaved.
///
/// ```
/// # use switchboard_testing::{FakeFunction, FakeMachine};
/// # let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8)]);
/// # let function = fake.machine().take_all().remove(0);
/// # let address = function.address();
/// # let resources = function.claim()?;
/// # let is_bus_master = || fake.read_config(address, 4) & 4 != 0;
/// let buffer = resources.dma.buffer(4096)?;
/// # assert!(is_bus_master());
/// // The device wrote an invalid index into its ring.
/// resources.bus.isolate();
/// assert!(resources.bus.is_isolated());
/// # drop(buffer);
/// # assert!(!is_bus_master() && resources.dma.buffer(4096).is_ok() && !is_bus_master());
/// # Ok::<(), switchboard::driver::ProbeError>(())
/// ```
#[derive(Debug)]
pub struct BusPort {
    claimed: Arc<Claimed>,
}

impl BusPort {
    pub(super) fn new(claimed: Arc<Claimed>) -> Self {
        Self { claimed }
    }

    /// Isolates the function for as long as it is claimed: it cannot access memory, send messages or assert its pin. Its
    /// registers stay accessible. Only the Command register is used, so this needs no cooperation of the device, and nothing
    /// that is granted or unmasked later undoes it.
    pub fn isolate(&self) {
        self.claimed.isolate();
    }

    /// Returns whether the function was isolated.
    #[must_use]
    pub fn is_isolated(&self) -> bool {
        self.claimed.is_isolated()
    }
}
