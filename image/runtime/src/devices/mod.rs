//! The registry of devices: apps and subsystems find a device by its type or class, whichever driver it has.

mod class;
mod disks;
mod keyboard;
mod near_misses;
mod random;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::any::Any;
use core::fmt;

use switchboard::config::Address;
use switchboard::driver::{ProbeError, best_match};
use switchboard::function::Function;
use switchboard::machine::Machine;

use self::class::Close;
use crate::mark::{SCAN, SCANNED, mark};

pub use self::class::{DeviceClass, DeviceOptions, DriverEntry, FromDriver, class, device};
pub use self::disks::{disks, usb_host};
pub use self::keyboard::{Keyboard, KeyboardError};
pub use self::random::RandomSource;

/// A device from the registry, with its function and the name of its driver.
#[derive(Clone, Copy)]
pub struct Found<D> {
    /// The PCI function.
    pub function: Address,
    /// The driver's name.
    pub driver: &'static str,
    /// The device, or a reference to it.
    pub device: D,
}

impl<D> fmt::Debug for Found<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.function, self.driver)
    }
}

/// The devices that drivers were attached to, in order of address.
///
/// ```
/// # use switchboard::driver::{Driver, Id, ProbeError};
/// # use switchboard::function::{Function, Resources};
/// # use switchboard_testing::{FakeFunction, FakeMachine};
/// use switchboard_runtime::devices::{DeviceOptions, Devices, DriverEntry, device};
///
/// # struct Serial(#[expect(dead_code)] switchboard::interrupt::InterruptPort);
/// # impl Driver for Serial {
/// #     const NAME: &'static str = "serial";
/// #     const MATCHES: &'static [Id] = &[Id::new(0x1af5, 4)];
/// #     fn probe(function: Function) -> Result<Self, ProbeError> {
/// #         let Resources { irq, .. } = function.claim()?;
/// #         Ok(Self(irq))
/// #     }
/// # }
/// const DRIVERS: &[DriverEntry] = &[device::<Serial>()];
///
/// # let fake = FakeMachine::new([FakeFunction::new(0x1af5, 4).at("00:03.0").pin(1, 10)]);
/// # let machine = fake.machine();
/// # let address = machine.functions()[0].address;
/// let mut devices = Devices::new(DRIVERS, DeviceOptions::default());
/// devices.probe(machine);
/// let found = devices.first::<Serial>().expect("a device with this driver");
/// assert_eq!((found.function, found.driver), (address, "serial"));
///
/// assert!(embassy_futures::block_on(devices.detach(address)));
/// assert!(devices.first::<Serial>().is_none());
/// assert!(machine.take(address).is_some(), "the function is free again");
/// ```
pub struct Devices {
    drivers: &'static [DriverEntry],
    options: DeviceOptions,
    list: Vec<Registered>,
    /// The drivers that leave functions alone, and why, as they were logged.
    reasons: Vec<(&'static str, &'static str)>,
}

/// A device of any type.
struct Registered {
    function: Address,
    driver: &'static str,
    device: Box<dyn Any>,
    close: Close,
    /// For controllers of disks, which are devices themselves.
    controller: Option<disks::Controller>,
}

impl Devices {
    /// Makes an empty registry for devices of these drivers.
    ///
    /// A function goes to the entry with the most specific match, whatever the order of the list.
    #[must_use]
    pub const fn new(drivers: &'static [DriverEntry], options: DeviceOptions) -> Self {
        Self { drivers, options, list: Vec::new(), reasons: Vec::new() }
    }

    /// Scans configuration space and attaches each function that has a driver.
    pub fn probe(&mut self, machine: &'static Machine) {
        mark::<SCAN>();
        machine.scan();
        mark::<SCANNED>();
        for function in machine.take_all() {
            self.attach(function);
        }
    }

    /// Probes a function with the driver that matches it best; returns `false` if no driver matches.
    ///
    /// An error of the probe is logged, and leaves the function without a driver: its
    /// [report](Machine::functions) keeps the error.
    pub fn attach(&mut self, function: Function) -> bool {
        let address = function.address();
        let candidates = self.drivers.iter().map(|entry| (entry, entry.matches));
        let Some(entry) = best_match(&function, candidates) else {
            if let Some(what) = near_misses::family(&function) {
                let (vendor, device) = function.id();
                log::info!("{address}: left without a driver: {vendor:04x}:{device:04x} is {what}");
            }
            return false;
        };
        match (entry.probe)(function, self.options) {
            Ok(device) => {
                let place = self.list.partition_point(|other| other.function < address);
                let (driver, close, controller) = (entry.name, entry.close, entry.controller);
                self.list.insert(place, Registered { function: address, driver, device, close, controller });
                if controller.is_some() {
                    self.add_disks(place);
                }
            }
            Err(ProbeError::LeftAlone(reason)) => self.note_left_alone(address, entry.name, reason),
            Err(error) => log::error!("{address}: {}: {error}", entry.name),
        }
        true
    }

    /// Logs why a driver leaves a function alone: once for all functions with the same reason, since there may be many.
    fn note_left_alone(&mut self, address: Address, driver: &'static str, reason: &'static str) {
        if !self.reasons.contains(&(driver, reason)) {
            self.reasons.push((driver, reason));
            log::info!("{address} (and any others like it): {driver}: left alone: {reason}");
        }
    }

    /// Closes the device of a function, or all disks of a controller, and drops the driver; returns `false` if the registry has no such device.
    ///
    /// A device that was taken out of the registry is not closed.
    pub async fn detach(&mut self, function: Address) -> bool {
        let mut is_detached = false;
        // From the end: a controller is before its disks.
        while let Some(place) = self.list.iter().rposition(|registered| registered.function == function) {
            let Registered { device, close, .. } = self.list.remove(place);
            close(device).await;
            is_detached = true;
        }
        is_detached
    }

    /// Drops all devices in the registry, with their drivers.
    pub fn clear(&mut self) {
        self.list.clear();
    }

    /// Returns references to the devices of one type or class, in order of address.
    pub fn iter<D: Any>(&self) -> impl Iterator<Item = Found<&D>> {
        self.list.iter().filter_map(|Registered { function, driver, device, .. }| {
            Some(Found { function: *function, driver, device: device.downcast_ref()? })
        })
    }

    /// Returns mutable references to the devices of one type or class, in order of address.
    pub fn iter_mut<D: Any>(&mut self) -> impl Iterator<Item = Found<&mut D>> {
        self.list.iter_mut().filter_map(|Registered { function, driver, device, .. }| {
            Some(Found { function: *function, driver, device: device.downcast_mut()? })
        })
    }

    /// Returns a reference to the first device of one type or class.
    #[must_use]
    pub fn first<D: Any>(&self) -> Option<Found<&D>> {
        self.iter().next()
    }

    /// Removes the first device of one type or class from the registry, and returns it.
    #[must_use]
    pub fn take_first<D: Any>(&mut self) -> Option<Found<D>> {
        let place = self.list.iter().position(|registered| registered.device.is::<D>())?;
        let Registered { function, driver, device, .. } = self.list.remove(place);
        Some(Found { function, driver, device: *device.downcast().ok()? })
    }

    /// Removes all devices of one type or class from the registry, and returns them in order of address.
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
