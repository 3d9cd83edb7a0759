//! The interrupt status of a device: its ISR register, and whether the device is running.

use core::sync::atomic::{AtomicBool, Ordering};

use alloc::sync::Arc;

use switchboard::function::Presence;
use switchboard::interrupt::Activity;
use switchboard::mmio::Bar;

use super::registers::{Common, DEVICE_STATUS, ISR_STATUS, InterruptCause, IsrStatus};

/// The interrupt status of a device, which its handlers share with its driver.
///
/// Handlers act only between DRIVER_OK and the reset: before, the state of the driver is not complete, and afterwards the
/// registers are not valid.
#[derive(Debug, Clone)]
pub struct InterruptStatus {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    register: Bar<IsrStatus>,
    common: Bar<Common>,
    presence: Presence,
    is_live: AtomicBool,
}

impl InterruptStatus {
    pub(super) fn new(register: Bar<IsrStatus>, common: Bar<Common>, presence: Presence) -> Self {
        Self { inner: Arc::new(Inner { register, common, presence, is_live: AtomicBool::new(false) }) }
    }

    /// Returns and clears the causes of an interrupt on the line, or `None` when the device did not raise it. For line handlers only:
    /// with messages, a device does not maintain the register (virtio 1.2, 4.1.4.5).
    #[must_use]
    pub fn take_cause(&self) -> Option<InterruptCause> {
        // On a shared line this runs for each interrupt of another function too: no access to a removed device.
        if !self.is_live() || self.is_gone() {
            return None;
        }
        let value = self.inner.register.read(&ISR_STATUS);
        // All ones: the device was removed, or is faulty. Either way another function asserts the line.
        if value == u8::MAX {
            let _ = self.inner.presence.confirm();
            return None;
        }
        let cause = InterruptCause::from_bits_truncate(value);
        (!cause.is_empty()).then_some(cause)
    }

    /// Returns the activity of a running device: that of its queues, unless the device does not respond.
    pub fn activity(&self, of_queues: impl FnOnce() -> Activity) -> Activity {
        // Read by no handler, and without a side effect. No device has all bits of its status set.
        if !self.is_live() || self.is_gone() {
            Activity::IDLE
        } else if self.inner.common.read(&DEVICE_STATUS) == u8::MAX {
            Activity::UNRESPONSIVE
        } else {
            of_queues()
        }
    }

    /// Returns whether the device is running.
    #[inline]
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.inner.is_live.load(Ordering::Acquire)
    }

    /// Returns whether the device was removed. A handler that detects this wakes all tasks that wait for the device.
    #[inline]
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.inner.presence.is_gone()
    }

    /// Returns the presence of the device on the bus.
    #[must_use]
    pub fn presence(&self) -> &Presence {
        &self.inner.presence
    }

    pub(super) fn set_live(&self, is_live: bool) {
        self.inner.is_live.store(is_live, Ordering::Release);
    }
}
