//! From functions to devices: who gets which function, and what came of it.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use switchboard::arch::mark::{SCAN, SCANNED, mark};
use switchboard::config::Address;
use switchboard::function::Function;
use switchboard::machine::Machine;
use switchboard_drivers::block::BlockDevice;
use switchboard_drivers::edu::Edu;
use switchboard_drivers::hotplug::HotplugPort;
use switchboard_drivers::ivshmem::Ivshmem;
use switchboard_drivers::raise::Raise;
use switchboard_drivers::virtio::{VirtioBlk, VirtioRng};

use crate::disk::Disk;
use crate::drivers::DRIVERS;
use crate::network::Nic;

/// A function with its driver, by what it is good for.
pub enum Device {
    /// A network card.
    Nic(Box<dyn Nic>),
    /// A disk.
    Disk(Disk),
    /// A source of randomness.
    Rng(Box<VirtioRng>),
    /// QEMU's device for learning.
    Edu(Edu),
    /// Memory and interrupts shared with the host.
    Ivshmem(Ivshmem),
    /// A device that is there for its interrupts.
    Raiser(Box<dyn Raise>),
    /// A port behind which functions come and go.
    Port(Box<HotplugPort>),
}

impl From<VirtioBlk> for Device {
    fn from(disk: VirtioBlk) -> Self {
        Self::Disk(disk.into())
    }
}

impl From<VirtioRng> for Device {
    fn from(rng: VirtioRng) -> Self {
        Self::Rng(Box::new(rng))
    }
}

impl From<Edu> for Device {
    fn from(edu: Edu) -> Self {
        Self::Edu(edu)
    }
}

impl From<Ivshmem> for Device {
    fn from(device: Ivshmem) -> Self {
        Self::Ivshmem(device)
    }
}

impl From<HotplugPort> for Device {
    fn from(port: HotplugPort) -> Self {
        Self::Port(Box::new(port))
    }
}

/// One device that came up.
pub struct Found<D> {
    /// Its function.
    pub function: Address,
    /// Its driver's name.
    pub driver: &'static str,
    /// The device.
    pub device: D,
}

impl<D> fmt::Debug for Found<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.function, self.driver)
    }
}

/// The devices that are up, each kind in order of address. They come and go.
#[derive(Debug, Default)]
pub struct Devices {
    /// Network cards.
    pub nics: Vec<Found<Box<dyn Nic>>>,
    /// Disks.
    pub disks: Vec<Found<Disk>>,
    /// Sources of randomness.
    pub rngs: Vec<Found<VirtioRng>>,
    /// QEMU's devices for learning.
    pub edus: Vec<Found<Edu>>,
    /// Memory and interrupts shared with the host.
    pub ivshmems: Vec<Found<Ivshmem>>,
    /// Devices that are there for their interrupts.
    pub raisers: Vec<Found<Box<dyn Raise>>>,
    /// Ports behind which functions come and go.
    pub ports: Vec<Found<HotplugPort>>,
    /// Nanoseconds for which disks may be [polled](BlockDevice::poll_for).
    patience: u64,
}

impl Devices {
    /// Walks configuration space and offers each function to the drivers. Disks may be polled for so many nanoseconds.
    pub fn probe(machine: &'static Machine, patience: u64) -> Self {
        mark::<SCAN>();
        machine.scan();
        mark::<SCANNED>();
        let mut devices = Self { patience, ..Self::default() };
        for function in machine.take_all() {
            devices.attach(function);
        }
        devices
    }

    /// Offers a function to the drivers, and says whether one took it. A probe that fails leaves its function without
    /// a driver and the others as they are; the inventory keeps the reason.
    pub fn attach(&mut self, function: Function) -> bool {
        let address = function.address();
        let Some(entry) = DRIVERS.iter().find(|entry| entry.matches.iter().any(|id| id.matches(&function))) else {
            return false;
        };
        match (entry.probe)(function) {
            Ok(device) => self.add(address, entry.name, device),
            Err(error) => log::error!("{address}: {}: {error}", entry.name),
        }
        true
    }

    fn add(&mut self, function: Address, driver: &'static str, device: Device) {
        match device {
            Device::Nic(device) => insert(&mut self.nics, Found { function, driver, device }),
            Device::Disk(device) => {
                device.poll_for(self.patience);
                insert(&mut self.disks, Found { function, driver, device });
            }
            Device::Rng(device) => insert(&mut self.rngs, Found { function, driver, device: *device }),
            Device::Edu(device) => insert(&mut self.edus, Found { function, driver, device }),
            Device::Ivshmem(device) => insert(&mut self.ivshmems, Found { function, driver, device }),
            Device::Raiser(device) => insert(&mut self.raisers, Found { function, driver, device }),
            Device::Port(device) => insert(&mut self.ports, Found { function, driver, device: *device }),
        }
    }

    /// Takes the device of a function away from all who use it, and drops its driver. Says whether there was one; what
    /// a [`System`](crate::system::System) runs, interfaces and ports, is no longer here.
    pub async fn detach(&mut self, function: Address) -> bool {
        if let Some(found) = remove(&mut self.disks, function) {
            found.device.close().await;
            return true;
        }
        remove(&mut self.nics, function).is_some()
            || remove(&mut self.rngs, function).is_some()
            || remove(&mut self.edus, function).is_some()
            || remove(&mut self.ivshmems, function).is_some()
            || remove(&mut self.raisers, function).is_some()
            || remove(&mut self.ports, function).is_some()
    }
}

/// Keeps the order of addresses, whenever a device comes.
fn insert<D>(devices: &mut Vec<Found<D>>, found: Found<D>) {
    let place = devices.partition_point(|other| other.function < found.function);
    devices.insert(place, found);
}

fn remove<D>(devices: &mut Vec<Found<D>>, function: Address) -> Option<Found<D>> {
    let place = devices.iter().position(|found| found.function == function)?;
    Some(devices.remove(place))
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nic(_) => "Nic",
            Self::Disk(_) => "Disk",
            Self::Rng(_) => "Rng",
            Self::Edu(_) => "Edu",
            Self::Ivshmem(_) => "Ivshmem",
            Self::Raiser(_) => "Raiser",
            Self::Port(_) => "Port",
        })
    }
}
