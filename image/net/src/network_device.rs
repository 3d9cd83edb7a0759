//! Network cards, whichever driver they have.

use alloc::boxed::Box;
use core::fmt;

use switchboard::driver::Driver;
use switchboard_drivers::interfaces::network::Card;

use switchboard_runtime::devices::{DeviceClass, DeviceOptions, DriverEntry, FromDriver, class};

use crate::Nic;

/// A network card.
pub struct NetworkDevice(pub Box<dyn Nic>);

impl DeviceClass for NetworkDevice {}

impl<D: Card + 'static> FromDriver<D> for NetworkDevice {
    fn from_driver(driver: D, _options: DeviceOptions) -> Self {
        Self(Box::new(driver))
    }
}

impl fmt::Debug for NetworkDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NetworkDevice").field(&self.0.mac()).finish()
    }
}

/// Returns the entry of a network driver: [`class::<D, NetworkDevice>()`](class).
#[must_use]
pub const fn nic<D: Driver + Card + 'static>() -> DriverEntry {
    class::<D, NetworkDevice>()
}
