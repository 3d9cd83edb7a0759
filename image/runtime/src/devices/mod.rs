//! The devices that are up, by their type: a registry that is told of no kind of device beforehand.

mod class;
mod random;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::any::Any;
use core::fmt;

use switchboard::config::Address;
use switchboard::driver::best_match;
use switchboard::function::Function;
use switchboard::machine::Machine;

use self::class::Close;
use crate::mark::{SCAN, SCANNED, mark};

pub use self::class::{DeviceClass, DeviceOptions, DriverEntry, FromDriver, class, device};
pub use self::random::RandomSource;

/// A device of one type, and the function that it drives.
#[derive(Clone, Copy)]
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

/// The devices that are up, in order of address. They come and go.
pub struct Devices {
    drivers: &'static [DriverEntry],
    options: DeviceOptions,
    list: Vec<Registered>,
}

/// A device whose type only those know who ask for it.
struct Registered {
    function: Address,
    driver: &'static str,
    device: Box<dyn Any>,
    close: Close,
}

impl Devices {
    /// Makes an empty registry for devices of these drivers. A function goes to the entry with the most specific match.
    #[must_use]
    pub const fn new(drivers: &'static [DriverEntry], options: DeviceOptions) -> Self {
        Self { drivers, options, list: Vec::new() }
    }

    /// Walks configuration space and offers each function to the drivers.
    pub fn probe(&mut self, machine: &'static Machine) {
        mark::<SCAN>();
        machine.scan();
        mark::<SCANNED>();
        for function in machine.take_all() {
            self.attach(function);
        }
    }

    /// Offers a function to the drivers, and returns whether one took it. A probe that fails leaves its function without
    /// a driver and the others as they are; the inventory keeps the reason.
    pub fn attach(&mut self, function: Function) -> bool {
        let address = function.address();
        let candidates = self.drivers.iter().map(|entry| (entry, entry.matches));
        let Some(entry) = best_match(&function, candidates) else { return false };
        match (entry.probe)(function, self.options) {
            Ok(device) => {
                let place = self.list.partition_point(|other| other.function < address);
                let registered = Registered { function: address, driver: entry.name, device, close: entry.close };
                self.list.insert(place, registered);
            }
            Err(error) => log::error!("{address}: {}: {error}", entry.name),
        }
        true
    }

    /// Takes the device of a function away from all its users, and drops its driver. Returns whether there was one. A
    /// device that was taken out of the registry is no longer here.
    pub async fn detach(&mut self, function: Address) -> bool {
        let Some(place) = self.list.iter().position(|registered| registered.function == function) else { return false };
        let Registered { device, close, .. } = self.list.remove(place);
        close(device).await;
        true
    }

    /// Drops all devices that are here, with their drivers.
    pub fn clear(&mut self) {
        self.list.clear();
    }

    /// Returns the devices of one type, in order of address.
    pub fn iter<D: Any>(&self) -> impl Iterator<Item = Found<&D>> {
        self.list.iter().filter_map(|Registered { function, driver, device, .. }| {
            Some(Found { function: *function, driver, device: device.downcast_ref()? })
        })
    }

    /// Returns the devices of one type, in order of address, to be used exclusively.
    pub fn iter_mut<D: Any>(&mut self) -> impl Iterator<Item = Found<&mut D>> {
        self.list.iter_mut().filter_map(|Registered { function, driver, device, .. }| {
            Some(Found { function: *function, driver, device: device.downcast_mut()? })
        })
    }

    /// Returns the first device of one type.
    #[must_use]
    pub fn first<D: Any>(&self) -> Option<Found<&D>> {
        self.iter().next()
    }

    /// Takes the first device of one type out of the registry: it is the caller's own from now on.
    #[must_use]
    pub fn take_first<D: Any>(&mut self) -> Option<Found<D>> {
        let place = self.list.iter().position(|registered| registered.device.is::<D>())?;
        let Registered { function, driver, device, .. } = self.list.remove(place);
        Some(Found { function, driver, device: *device.downcast().ok()? })
    }

    /// Takes all devices of one type out of the registry, in order of address.
    #[must_use]
    pub fn take_all<D: Any>(&mut self) -> Vec<Found<D>> {
        core::iter::from_fn(|| self.take_first()).collect()
    }
}

impl fmt::Debug for Devices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let functions = self.list.iter().map(|registered| (registered.function, registered.driver));
        f.debug_map().entries(functions).finish()
    }
}
