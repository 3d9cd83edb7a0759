//! The entries of a list of drivers, and the classes that their devices belong to.

use alloc::boxed::Box;
use core::any::Any;
use core::pin::Pin;

use switchboard::driver::{Driver, Id, ProbeError, attach};
use switchboard::function::Function;

/// A class of devices: the type by which apps find a device, whichever driver it has.
///
/// A class is a type with a place for every driver of its kind, as a newtype around a trait object. A driver that is the
/// only one of its kind needs no class: [`device`] registers it by its own type.
///
/// ```
/// use switchboard_runtime::devices::{DeviceClass, DeviceOptions, FromDriver};
///
/// trait Beep {
///     fn beep(&self);
/// }
///
/// /// Everything that can beep.
/// struct Beeper(Box<dyn Beep>);
///
/// impl DeviceClass for Beeper {}
///
/// impl<D: Beep + 'static> FromDriver<D> for Beeper {
///     fn from_driver(driver: D, _options: DeviceOptions) -> Self {
///         Self(Box::new(driver))
///     }
/// }
/// // In the list of drivers: `class::<PcSpeaker, Beeper>()`. In an app: `system.devices.first::<Beeper>()`.
/// ```
pub trait DeviceClass: Sized + 'static {
    /// Takes the device away from all its users. When this is ready, its driver is dropped.
    fn close(self) -> impl Future<Output = ()> {
        drop(self);
        core::future::ready(())
    }
}

/// Makes a device of this class out of a driver.
#[diagnostic::on_unimplemented(
    message = "`{D}` is not a driver for the class `{Self}`",
    note = "the class lists what it takes in `impl FromDriver<..> for {Self}`: a trait, as a rule, that `{D}` must implement"
)]
pub trait FromDriver<D> {
    /// Makes the device.
    fn from_driver(driver: D, options: DeviceOptions) -> Self;
}

/// Options of the command line that concern devices.
#[derive(Debug, Clone, Copy, Default)]
pub struct DeviceOptions {
    /// Nanoseconds for which a device may be polled after an event, where that is faster than its interrupts; 0 for never.
    pub poll_budget_ns: u64,
}

/// A driver in an image's list of drivers. Made by [`class`] and [`device`].
#[derive(Debug, Clone, Copy)]
pub struct DriverEntry {
    pub(super) name: &'static str,
    pub(super) matches: &'static [Id],
    pub(super) probe: fn(Function, DeviceOptions) -> Result<Box<dyn Any>, ProbeError>,
    pub(super) close: Close,
}

/// Closes a device of the type that its entry has.
pub(super) type Close = fn(Box<dyn Any>) -> Pin<Box<dyn Future<Output = ()>>>;

/// Returns the entry of a driver whose devices are found as devices of the class `C`.
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
    }
}

/// Returns the entry of a driver whose devices are found by the driver's own type.
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
    }
}
