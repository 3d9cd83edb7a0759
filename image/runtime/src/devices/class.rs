//! Device classes, and the entries of a list of drivers.

use alloc::boxed::Box;
use core::any::Any;
use core::pin::Pin;

use switchboard::driver::{Driver, Id, ProbeError, attach};
use switchboard::function::Function;

use super::disks::Controller;
use crate::disk::TimeoutWatch;

/// A class of devices: the type by which apps find devices of any driver.
///
/// A class is a type that holds any driver of its kind, as a newtype around a trait object does. A driver that is the
/// only one of its kind needs no class: [`device`] registers it by its own type.
///
/// ```
/// # use switchboard::config::Address;
/// # use switchboard::driver::{Driver, Id, ProbeError};
/// # use switchboard::function::Function;
/// # use switchboard_testing::{FakeFunction, FakeMachine};
/// use switchboard_runtime::devices::{DeviceClass, DeviceOptions, Devices, DriverEntry, FromDriver, class};
///
/// trait Beep {
///     fn beep(&self) -> &'static str;
/// }
///
/// /// A device that can beep, with any driver.
/// struct Beeper(Box<dyn Beep>);
///
/// impl DeviceClass for Beeper {}
///
/// impl<D: Beep + 'static> FromDriver<D> for Beeper {
///     fn from_driver(driver: D, _options: DeviceOptions) -> Self {
///         Self(Box::new(driver))
///     }
/// }
///
/// # struct Horn;
/// # impl Driver for Horn {
/// #     const NAME: &'static str = "horn";
/// #     const MATCHES: &'static [Id] = &[Id::new(0x1af5, 2)];
/// #     fn probe(function: Function) -> Result<Self, ProbeError> {
/// #         function.claim()?;
/// #         Ok(Self)
/// #     }
/// # }
/// # impl Beep for Horn {
/// #     fn beep(&self) -> &'static str {
/// #         "honk"
/// #     }
/// # }
/// const DRIVERS: &[DriverEntry] = &[class::<Horn, Beeper>()];
///
/// # let fake = FakeMachine::new([FakeFunction::new(0x1af5, 2).at("00:03.0")]);
/// # let machine = fake.machine();
/// let mut devices = Devices::new(DRIVERS, DeviceOptions::default());
/// devices.probe(machine);
/// let beeper = devices.first::<Beeper>().expect("a device of this class");
/// assert_eq!(beeper.device.0.beep(), "honk");
/// ```
pub trait DeviceClass: Sized + 'static {
    /// Ends all use of the device, and drops its driver before it returns.
    ///
    /// The default drops the device. A class whose handles are shared must override this.
    fn close(self) -> impl Future<Output = ()> {
        drop(self);
        core::future::ready(())
    }
}

/// The conversion of a driver to a device of a class; a class implements it for each driver that it accepts.
#[diagnostic::on_unimplemented(
    message = "`{D}` is not a driver for the class `{Self}`",
    note = "the class names the drivers that it accepts in `impl FromDriver<..> for {Self}`: usually those that implement a trait"
)]
pub trait FromDriver<D> {
    /// Makes a device of this class.
    fn from_driver(driver: D, options: DeviceOptions) -> Self;
}

/// The options of the command line that concern devices, and the watch over time limits.
#[derive(Debug, Clone, Copy, Default)]
pub struct DeviceOptions {
    /// Nanoseconds for which a device may be polled after an event, while that is faster than interrupts; 0 for never.
    pub poll_budget_ns: u64,
    /// Watches the time limits of requests. Without it, as in tests, there are none.
    pub timeouts: Option<TimeoutWatch>,
}

/// An entry of an image's list of drivers. Made by [`class`], [`disks`](super::disks()) and [`device`].
#[derive(Debug, Clone, Copy)]
pub struct DriverEntry {
    pub(super) name: &'static str,
    pub(super) matches: &'static [Id],
    pub(super) probe: fn(Function, DeviceOptions) -> Result<Box<dyn Any>, ProbeError>,
    pub(super) close: Close,
    pub(super) controller: Option<Controller>,
}

impl DriverEntry {
    /// Returns the name of the driver.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the match table of the driver: the functions that it is for.
    ///
    /// ```
    /// use switchboard_drivers::virtio::VirtioRng;
    /// use switchboard_runtime::devices::{RandomSource, class};
    ///
    /// let entry = class::<VirtioRng, RandomSource>();
    /// assert_eq!((entry.name(), entry.matches()[0].to_string()), ("virtio-rng", "1af4:1044".to_owned()));
    /// ```
    #[must_use]
    pub const fn matches(&self) -> &'static [Id] {
        self.matches
    }
}

/// The function that closes the devices of an entry.
pub(super) type Close = fn(Box<dyn Any>) -> Pin<Box<dyn Future<Output = ()>>>;

/// Returns the entry of a driver whose devices belong to the class `C`.
///
/// ```
/// use switchboard_drivers::virtio::VirtioBlk;
/// use switchboard_runtime::devices::{DriverEntry, class};
/// use switchboard_runtime::disk::Disk;
///
/// const DRIVERS: &[DriverEntry] = &[class::<VirtioBlk, Disk>()];
/// # assert_eq!(DRIVERS.len(), 1);
/// ```
#[must_use]
pub const fn class<D: Driver + 'static, C: DeviceClass + FromDriver<D>>() -> DriverEntry {
    DriverEntry {
        name: D::NAME,
        matches: D::MATCHES,
        probe: |function, options| Ok(Box::new(C::from_driver(attach::<D>(function)?, options))),
        close: |device| {
            Box::pin(async {
                if let Ok(device) = device.downcast::<C>() {
                    device.close().await;
                }
            })
        },
        controller: None,
    }
}

/// Returns the entry of a driver whose devices have no class: they are found by the driver's own type.
#[must_use]
pub const fn device<D: Driver + 'static>() -> DriverEntry {
    DriverEntry {
        name: D::NAME,
        matches: D::MATCHES,
        probe: |function, _| Ok(Box::new(attach::<D>(function)?)),
        close: |device| {
            drop(device);
            Box::pin(core::future::ready(()))
        },
        controller: None,
    }
}
