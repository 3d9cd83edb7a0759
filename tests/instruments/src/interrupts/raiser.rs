//! The device class of drivers that interrupt on request.

use alloc::boxed::Box;
use core::fmt;

use switchboard_runtime::devices::{DeviceClass, DeviceOptions, FromDriver};

use crate::raise::Raise;

/// A device that interrupts on request, with any driver.
pub struct Raiser(pub Box<dyn Raise>);

impl DeviceClass for Raiser {}

impl<D: Raise + 'static> FromDriver<D> for Raiser {
    fn from_driver(driver: D, _options: DeviceOptions) -> Self {
        Self(Box::new(driver))
    }
}

impl fmt::Debug for Raiser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Raiser").field("mode", &self.0.mode()).finish_non_exhaustive()
    }
}
