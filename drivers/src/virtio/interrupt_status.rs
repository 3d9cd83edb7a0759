//! The interrupt side of a device: its ISR status, and whether its handlers may act on it yet.

use core::sync::atomic::{AtomicBool, Ordering};

use alloc::sync::Arc;

use switchboard::function::Presence;
use switchboard::mmio::Bar;

use super::registers::{ISR_STATUS, InterruptCause, IsrStatus};

/// What the handlers of a device share with its driver.
///
/// Handlers act only between DRIVER_OK and the reset: before, the driver's state is not complete, and afterwards the
/// registers mean nothing.
#[derive(Debug, Clone)]
pub struct InterruptStatus {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    status: Bar<IsrStatus>,
    presence: Presence,
    is_live: AtomicBool,
}

impl InterruptStatus {
    pub(super) fn new(status: Bar<IsrStatus>, presence: Presence) -> Self {
        Self { inner: Arc::new(Inner { status, presence, is_live: AtomicBool::new(false) }) }
    }

    /// Why the line was raised, and lets go of it; `None` when it was not this device. For line handlers only: with
    /// messages the register is not kept (virtio 1.2, 4.1.4.5).
    #[must_use]
    pub fn take_cause(&self) -> Option<InterruptCause> {
        // On a shared line this is asked for every interrupt of the others: of one that is gone, no register.
        if !self.is_live() || self.is_gone() {
            return None;
        }
        let value = self.inner.status.read(&ISR_STATUS);
        // All ones: if the device is gone, it did not raise anything; another function asserts the line either way.
        if value == u8::MAX {
            let _ = self.inner.presence.confirm();
            return None;
        }
        let cause = InterruptCause::from_bits_truncate(value);
        (!cause.is_empty()).then_some(cause)
    }

    /// Whether the device runs.
    #[inline]
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.inner.is_live.load(Ordering::Acquire)
    }

    /// Whether the device is known to be gone. A handler that finds this wakes every task that waits for it.
    #[inline]
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.inner.presence.is_gone()
    }

    /// Whether the device is still there.
    #[must_use]
    pub fn presence(&self) -> &Presence {
        &self.inner.presence
    }

    pub(super) fn set_live(&self, is_live: bool) {
        self.inner.is_live.store(is_live, Ordering::Release);
    }
}
