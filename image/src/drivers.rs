//! The drivers of this image: **the list that a fork edits** to drive other devices.

use switchboard_drivers::virtio::{VirtioBlk, VirtioNet, VirtioRng};
#[cfg(feature = "drivers")]
use switchboard_drivers::{e1000::E1000, edu::Edu, hotplug::HotplugPort, nvme::Nvme};

use switchboard_net::nic;
#[cfg(feature = "drivers")]
use switchboard_runtime::devices::device;
use switchboard_runtime::devices::{DriverEntry, RandomSource, class};
use switchboard_runtime::disk::Disk;

/// The drivers. A function goes to the one with the most specific match, whatever the order.
pub const DRIVERS: &[DriverEntry] = &[
    nic::<VirtioNet>(),
    #[cfg(feature = "drivers")]
    nic::<E1000>(),
    class::<VirtioBlk, Disk>(),
    #[cfg(feature = "drivers")]
    class::<Nvme, Disk>(),
    class::<VirtioRng, RandomSource>(),
    #[cfg(feature = "drivers")]
    device::<Edu>(),
    #[cfg(feature = "drivers")]
    device::<HotplugPort>(),
    #[cfg(feature = "instruments")]
    device::<switchboard_instruments::ivshmem::Ivshmem>(),
    #[cfg(feature = "instruments")]
    class::<switchboard_instruments::e1000e::E1000e, switchboard_instruments::interrupts::Raiser>(),
    #[cfg(feature = "instruments")]
    class::<switchboard_instruments::xhci::Xhci, switchboard_instruments::interrupts::Raiser>(),
    // Add yours: `nic` for a network card, `class` for another device class, `device` for a driver without a class.
];
