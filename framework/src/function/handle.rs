//! Functions that are taken from the machine and not claimed yet.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::config::{Address, Class};
use crate::inventory::Record;
use crate::machine::Machine;
use crate::ownership::{Presence, Taken};
use crate::platform::{Clock, Offers};

impl Machine {
    /// Takes the function at `address`, for a driver. Returns `None` when there is none, or it is taken already.
    #[must_use]
    pub fn take(&'static self, address: Address) -> Option<Function> {
        Taken::take(self, &self.inventory.find(address)?).map(Function::new)
    }

    /// Takes every function that is not taken yet, for drivers, in order of address.
    #[must_use]
    pub fn take_all(&'static self) -> Vec<Function> {
        self.inventory.records().iter().filter_map(|record| Taken::take(self, record)).map(Function::new).collect()
    }
}

/// A function that was found by the scan and has no driver yet. At any time, at most one of these exists for each function.
///
/// ```
/// use switchboard::config::Class;
/// # use switchboard_testing::{FakeFunction, FakeMachine};
///
/// # let fake = FakeMachine::new([FakeFunction::new(0x8086, 0x100e).at("00:03.0").byte(0x0b, 0x02).pin(1, 11)]);
/// let function = fake.machine().take_all().remove(0);
/// assert_eq!(function.address().to_string(), "0000:00:03.0");
/// assert_eq!(function.id(), (0x8086, 0x100e));
/// assert_eq!(function.class(), Class { base: 0x02, sub: 0, interface: 0 });
/// assert!(function.offers().has(switchboard::interrupt::Mode::Intx));
/// let resources = function.claim()?;
/// # drop(resources);
/// # Ok::<(), switchboard::driver::ProbeError>(())
/// ```
#[derive(Debug)]
pub struct Function {
    taken: Taken,
}

impl Function {
    pub(crate) fn new(taken: Taken) -> Self {
        Self { taken }
    }

    /// Returns the address.
    #[must_use]
    pub fn address(&self) -> Address {
        self.record().address()
    }

    /// Returns the Vendor ID and the Device ID.
    #[must_use]
    pub fn id(&self) -> (u16, u16) {
        (self.record().header().vendor, self.record().header().device)
    }

    /// Returns the class code.
    #[must_use]
    pub fn class(&self) -> Class {
        self.record().header().class
    }

    /// Returns the Subsystem Vendor ID and Subsystem ID, or `None` when the function has none.
    #[must_use]
    pub fn subsystem(&self) -> Option<(u16, u16)> {
        self.record().facts.subsystem
    }

    /// Returns the interrupt modes that the function offers.
    #[must_use]
    pub fn offers(&self) -> Offers {
        self.record().offers()
    }

    /// Returns the clock of the machine, for timeouts.
    #[must_use]
    pub fn clock(&self) -> &'static dyn Clock {
        self.machine().clock
    }

    /// Returns an observer of the presence of the function, which keeps nothing claimed.
    #[must_use]
    pub fn presence(&self) -> Presence {
        Presence::new(self.machine(), self.record())
    }

    pub(crate) fn record(&self) -> &Arc<Record> {
        self.taken.record()
    }

    pub(super) fn machine(&self) -> &'static Machine {
        self.taken.machine()
    }

    pub(super) fn into_taken(self) -> Taken {
        self.taken
    }
}
