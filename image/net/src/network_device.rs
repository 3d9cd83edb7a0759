//! The device class of network cards.

use alloc::boxed::Box;
use core::fmt;

use switchboard::driver::Driver;
use switchboard_drivers::interfaces::network::NetworkCard;

use switchboard_runtime::devices::{DeviceClass, DeviceOptions, DriverEntry, FromDriver, class};

use crate::nic::Nic;

/// A network card with any driver: the class by which [`Devices`](switchboard_runtime::devices::Devices) finds it.
///
/// ```
/// use switchboard_net::NetworkDevice;
/// use switchboard_net_testing::TestCard;
/// use switchboard_runtime::devices::{DeviceOptions, FromDriver};
///
/// let (card, _peer) = TestCard::pair();
/// let NetworkDevice(nic) = NetworkDevice::from_driver(card, DeviceOptions::default());
/// assert_eq!(nic.mac().to_string(), "02:00:00:00:00:01");
/// ```
pub struct NetworkDevice(pub Box<dyn Nic>);

impl DeviceClass for NetworkDevice {}

impl<D: NetworkCard + 'static> FromDriver<D> for NetworkDevice {
    fn from_driver(driver: D, _options: DeviceOptions) -> Self {
        Self(Box::new(driver))
    }
}

impl fmt::Debug for NetworkDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NetworkDevice").field(&self.0.mac()).finish()
    }
}

/// Returns the entry of a network driver for an image's list of drivers: [`class::<D, NetworkDevice>()`](class).
///
/// ```
/// use switchboard_drivers::virtio::VirtioNet;
/// use switchboard_net::nic;
/// use switchboard_runtime::devices::DriverEntry;
///
/// static DRIVERS: &[DriverEntry] = &[nic::<VirtioNet>()];
/// assert_eq!(DRIVERS.len(), 1);
/// ```
#[must_use]
pub const fn nic<D: Driver + NetworkCard + 'static>() -> DriverEntry {
    class::<D, NetworkDevice>()
}
