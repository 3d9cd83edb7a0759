//! From functions to devices: who gets which function, and what came of it.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use switchboard::config::Address;
use switchboard::machine::Machine;
use switchboard_drivers::edu::Edu;
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
    Rng(VirtioRng),
    /// QEMU's device for learning.
    Edu(Edu),
    /// Memory and interrupts shared with the host.
    Ivshmem(Ivshmem),
    /// A device that is there for its interrupts.
    Raiser(Box<dyn Raise>),
}

impl From<VirtioBlk> for Device {
    fn from(disk: VirtioBlk) -> Self {
        Self::Disk(Disk::Virtio(disk))
    }
}

impl From<VirtioRng> for Device {
    fn from(rng: VirtioRng) -> Self {
        Self::Rng(rng)
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

/// The devices that came up, each kind in order of address.
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
}

impl Devices {
    /// Walks configuration space and offers each function to the drivers. A probe that fails leaves its
    /// function without a driver and the others as they are; the inventory keeps the reason.
    pub fn probe(machine: &'static Machine) -> Self {
        machine.scan();
        let mut devices = Self::default();
        for function in machine.take_all() {
            let address = function.address();
            let Some(entry) = DRIVERS.iter().find(|entry| entry.matches.iter().any(|id| id.matches(&function))) else {
                continue;
            };
            match (entry.probe)(function) {
                Ok(device) => devices.add(address, entry.name, device),
                Err(error) => log::error!("{address}: {}: {error}", entry.name),
            }
        }
        devices
    }

    fn add(&mut self, function: Address, driver: &'static str, device: Device) {
        match device {
            Device::Nic(device) => self.nics.push(Found { function, driver, device }),
            Device::Disk(device) => self.disks.push(Found { function, driver, device }),
            Device::Rng(device) => self.rngs.push(Found { function, driver, device }),
            Device::Edu(device) => self.edus.push(Found { function, driver, device }),
            Device::Ivshmem(device) => self.ivshmems.push(Found { function, driver, device }),
            Device::Raiser(device) => self.raisers.push(Found { function, driver, device }),
        }
    }
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
        })
    }
}
