//! The drivers of this image: **the list that a fork edits** to drive other devices.

use alloc::boxed::Box;

use switchboard_drivers::e1000::E1000;
use switchboard_drivers::e1000e::E1000e;
use switchboard_drivers::edu::Edu;
use switchboard_drivers::hotplug::HotplugPort;
use switchboard_drivers::ivshmem::Ivshmem;
use switchboard_drivers::raise::Raise;
use switchboard_drivers::virtio::{VirtioBlk, VirtioNet, VirtioRng};
use switchboard_drivers::xhci::Xhci;

use crate::devices::{DeviceClass, DeviceOptions, DriverEntry, FromDriver, RandomSource, class, device};
use crate::disk::Disk;
use crate::nic::nic;

/// A function goes to the driver with the most specific match, whatever the order. Any number of functions may go to one entry.
pub const DRIVERS: &[DriverEntry] = &[
    nic::<VirtioNet>(),
    nic::<E1000>(),
    class::<VirtioBlk, Disk>(),
    class::<VirtioRng, RandomSource>(),
    device::<Edu>(),
    device::<Ivshmem>(),
    class::<E1000e, Raiser>(),
    class::<Xhci, Raiser>(),
    device::<HotplugPort>(),
    // Yours: `nic` for a network card, `class` for another class, `device` for a driver that is one of its kind.
];

/// A device that interrupts when it is told to.
pub struct Raiser(pub Box<dyn Raise>);

impl DeviceClass for Raiser {}

impl<D: Raise + 'static> FromDriver<D> for Raiser {
    fn from_driver(driver: D, _options: DeviceOptions) -> Self {
        Self(Box::new(driver))
    }
}

impl core::fmt::Debug for Raiser {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Raiser").field("mode", &self.0.mode()).finish_non_exhaustive()
    }
}
