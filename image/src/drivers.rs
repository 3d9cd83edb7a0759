//! The drivers of this image: **the list that a fork edits** to drive other devices.

#[cfg(feature = "ahci")]
use switchboard_drivers::ahci::Ahci;
#[cfg(feature = "e1000")]
use switchboard_drivers::e1000::E1000;
#[cfg(feature = "e1000e")]
use switchboard_drivers::e1000e::E1000e;
#[cfg(feature = "edu")]
use switchboard_drivers::edu::Edu;
#[cfg(feature = "hotplug")]
use switchboard_drivers::hotplug::HotplugPort;
#[cfg(feature = "igb")]
use switchboard_drivers::igb::Igb;
#[cfg(feature = "nvme")]
use switchboard_drivers::nvme::Nvme;
#[cfg(feature = "rtl8139")]
use switchboard_drivers::rtl8139::Rtl8139;
#[cfg(feature = "p9")]
use switchboard_drivers::virtio::Virtio9p;
#[cfg(feature = "console")]
use switchboard_drivers::virtio::VirtioConsole;
#[cfg(feature = "gpu")]
use switchboard_drivers::virtio::VirtioGpu;
#[cfg(feature = "input")]
use switchboard_drivers::virtio::VirtioKeyboard;
#[cfg(feature = "rng")]
use switchboard_drivers::virtio::VirtioRng;
#[cfg(feature = "scsi")]
use switchboard_drivers::virtio::VirtioScsi;
#[cfg(feature = "vsock")]
use switchboard_drivers::virtio::VirtioVsock;
use switchboard_drivers::virtio::{VirtioBlk, VirtioNet};
#[cfg(feature = "vmxnet3")]
use switchboard_drivers::vmxnet3::Vmxnet3;
#[cfg(feature = "xhci")]
use switchboard_drivers::xhci::Xhci;

use switchboard_net::nic;
#[cfg(feature = "console")]
use switchboard_runtime::consoles::Console;
#[cfg(feature = "input")]
use switchboard_runtime::devices::Keyboard;
#[cfg(feature = "rng")]
use switchboard_runtime::devices::RandomSource;
#[cfg(any(feature = "edu", feature = "hotplug", feature = "vsock"))]
use switchboard_runtime::devices::device;
#[cfg(any(feature = "ahci", feature = "nvme", feature = "scsi"))]
use switchboard_runtime::devices::disks;
#[cfg(feature = "xhci")]
use switchboard_runtime::devices::usb_host;
use switchboard_runtime::devices::{DriverEntry, class};
use switchboard_runtime::disk::Disk;
#[cfg(feature = "gpu")]
use switchboard_runtime::screen::Display;
#[cfg(feature = "p9")]
use switchboard_runtime::share::Share;

/// The drivers. A function goes to the one with the most specific match, whatever the order.
pub const DRIVERS: &[DriverEntry] = &[
    nic::<VirtioNet>(),
    #[cfg(feature = "e1000")]
    nic::<E1000>(),
    #[cfg(feature = "e1000e")]
    nic::<E1000e>(),
    #[cfg(feature = "igb")]
    nic::<Igb>(),
    #[cfg(feature = "vmxnet3")]
    nic::<Vmxnet3>(),
    #[cfg(feature = "rtl8139")]
    nic::<Rtl8139>(),
    class::<VirtioBlk, Disk>(),
    #[cfg(feature = "nvme")]
    disks::<Nvme>(),
    #[cfg(feature = "ahci")]
    disks::<Ahci>(),
    #[cfg(feature = "scsi")]
    disks::<VirtioScsi>(),
    #[cfg(feature = "xhci")]
    usb_host::<Xhci>(),
    #[cfg(feature = "rng")]
    class::<VirtioRng, RandomSource>(),
    #[cfg(feature = "console")]
    class::<VirtioConsole, Console>(),
    #[cfg(feature = "vsock")]
    device::<VirtioVsock>(),
    #[cfg(feature = "input")]
    class::<VirtioKeyboard, Keyboard>(),
    #[cfg(feature = "gpu")]
    class::<VirtioGpu, Display>(),
    #[cfg(feature = "p9")]
    class::<Virtio9p, Share>(),
    #[cfg(feature = "edu")]
    device::<Edu>(),
    #[cfg(feature = "hotplug")]
    device::<HotplugPort>(),
    #[cfg(feature = "instruments")]
    device::<switchboard_instruments::ivshmem::Ivshmem>(),
    #[cfg(feature = "instruments")]
    class::<switchboard_instruments::e1000e::E1000e, switchboard_instruments::interrupts::Raiser>(),
    #[cfg(feature = "instruments")]
    class::<switchboard_instruments::xhci::Xhci, switchboard_instruments::interrupts::Raiser>(),
    // Add yours: `nic` for a network card, `class` for another device class, `device` for a driver without a class.
];

#[cfg(all(test, feature = "drivers", not(feature = "instruments")))]
#[path = "drivers/readme.rs"]
mod readme;
