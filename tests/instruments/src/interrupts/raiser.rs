//! The class of devices that interrupt when they are told to.

use alloc::boxed::Box;
use core::fmt;

use switchboard_runtime::devices::{DeviceClass, DeviceOptions, FromDriver};

use crate::raise::Raise;

/// A device that interrupts when it is told to, whichever driver it has.
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
