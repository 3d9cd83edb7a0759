//! A function before it is claimed.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::config::{Address, Class};
use crate::inventory::Record;
use crate::machine::Machine;
use crate::ownership::{Presence, Taken};
use crate::platform::{Clock, Offers};

impl Machine {
    /// Takes the function at `address`, to be claimed. Returns `None` when there is none, or it has an owner.
    #[must_use]
    pub fn take(&'static self, address: Address) -> Option<Function> {
        Taken::take(self, &self.inventory.find(address)?).map(Function::new)
    }

    /// Takes every function that has no owner, to be claimed, in order of address.
    #[must_use]
    pub fn take_all(&'static self) -> Vec<Function> {
        self.inventory.records().iter().filter_map(|record| Taken::take(self, record)).map(Function::new).collect()
    }
}

/// A function that was found and that nobody drives. There is one of these for each function at a time.
#[derive(Debug)]
pub struct Function {
    taken: Taken,
}

impl Function {
    pub(crate) fn new(taken: Taken) -> Self {
        Self { taken }
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> Address {
        self.record().address()
    }

    /// Vendor ID and Device ID.
    #[must_use]
    pub fn id(&self) -> (u16, u16) {
        (self.record().header().vendor, self.record().header().device)
    }

    /// Class code.
    #[must_use]
    pub fn class(&self) -> Class {
        self.record().header().class
    }

    /// Returns the subsystem's vendor and device, where the function has them.
    #[must_use]
    pub fn subsystem(&self) -> Option<(u16, u16)> {
        self.record().facts.subsystem
    }

    /// The interrupt modes that it offers.
    #[must_use]
    pub fn offers(&self) -> Offers {
        self.record().offers()
    }

    /// Returns the machine's clock, to bound how long the driver waits for the device.
    #[must_use]
    pub fn clock(&self) -> &'static dyn Clock {
        self.machine().clock
    }

    /// Whether it is still there, for whoever wants to know later.
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
