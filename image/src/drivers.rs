//! The drivers of this image: **the list that a fork edits** to drive other devices.

use alloc::boxed::Box;

use switchboard::driver::{Driver, Id, ProbeError, attach};
use switchboard::function::Function;
use switchboard_drivers::card::Card;
use switchboard_drivers::e1000::E1000;
use switchboard_drivers::e1000e::E1000e;
use switchboard_drivers::edu::Edu;
use switchboard_drivers::hotplug::HotplugPort;
use switchboard_drivers::ivshmem::Ivshmem;
use switchboard_drivers::raise::Raise;
use switchboard_drivers::virtio::{VirtioBlk, VirtioNet, VirtioRng};
use switchboard_drivers::xhci::Xhci;

use crate::devices::Device;

/// A function goes to the first entry that knows its ids. Any number of functions may go to one entry.
pub const DRIVERS: &[Entry] = &[
    nic::<VirtioNet>(),
    nic::<E1000>(),
    device::<VirtioBlk>(),
    device::<VirtioRng>(),
    device::<Edu>(),
    device::<Ivshmem>(),
    raiser::<E1000e>(),
    raiser::<Xhci>(),
    device::<HotplugPort>(),
    // Yours: `nic` for a network card, `device` for what `Device` has a place for.
];

/// One driver, its type forgotten.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The driver's name.
    pub name: &'static str,
    /// The functions that it knows.
    pub matches: &'static [Id],
    /// Brings a function up.
    pub probe: fn(Function) -> Result<Device, ProbeError>,
}

/// A network driver: whatever implements `Card`.
const fn nic<D: Driver + Card + 'static>() -> Entry {
    let probe = |function| attach::<D>(function).map(|nic| Device::Nic(Box::new(nic)));
    Entry { name: D::NAME, matches: D::MATCHES, probe }
}

/// Any other driver: [`Device`] has a place for it.
const fn device<D: Driver + Into<Device>>() -> Entry {
    let probe = |function| attach::<D>(function).map(Into::into);
    Entry { name: D::NAME, matches: D::MATCHES, probe }
}

/// A driver for a device that interrupts when it is told to.
const fn raiser<D: Driver + Raise + 'static>() -> Entry {
    let probe = |function| attach::<D>(function).map(|device| Device::Raiser(Box::new(device)));
    Entry { name: D::NAME, matches: D::MATCHES, probe }
}
