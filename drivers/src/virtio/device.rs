//! A device in any state: its status, reset and configuration (virtio 1.2, 2.1, 2.4 and 2.5).

use core::fmt;

use switchboard::config::Address;
use switchboard::driver::ProbeError;
use switchboard::function::BusPort;
use switchboard::mmio::Bar;
use switchboard::platform::Clock;

use super::interrupt_status::InterruptStatus;
use super::registers::{CONFIG_GENERATION, Common, DEVICE_STATUS, DeviceStatus};
use super::structures::Structures;

/// The limit for a reset. The specification has none; devices take far less.
const RESET_TIMEOUT_NS: u64 = 100_000_000;
/// Attempts to read the configuration while it changes.
const CONFIG_READ_RETRIES: u32 = 64;

/// A claimed device. Dropping it resets the device, which then uses neither memory nor interrupts when these are freed.
pub(super) struct Device {
    pub(super) common: Bar<Common>,
    pub(super) structures: Structures,
    pub(super) interrupt_status: InterruptStatus,
    pub(super) bus: BusPort,
    pub(super) clock: &'static dyn Clock,
    pub(super) address: Address,
}

impl Device {
    pub(super) fn status(&self) -> DeviceStatus {
        DeviceStatus::from_bits_retain(self.common.read(&DEVICE_STATUS))
    }

    pub(super) fn add_status(&self, status: DeviceStatus) {
        self.common.write(&DEVICE_STATUS, (self.status() | status).bits());
    }

    /// Resets the device and waits until its status reads 0 (4.1.4.3.2).
    pub(super) fn reset(&self) -> Result<(), ProbeError> {
        self.common.write(&DEVICE_STATUS, 0);
        let mut status = DeviceStatus::empty();
        self.clock.wait_until(RESET_TIMEOUT_NS, || {
            status = self.status();
            // All ones are read from a device that was removed.
            status.is_empty() || status.bits() == u8::MAX
        });
        if status.is_empty() {
            return Ok(());
        }
        let found = status.bits().into();
        Err(ProbeError::Unexpected { what: "virtio status after reset", wanted: 0, found })
    }

    /// Resets the device. Its handlers do nothing afterwards.
    pub(super) fn stop(&self) {
        if let Err(error) = self.reset() {
            log::warn!("{}: {error}", self.address);
        }
        self.interrupt_status.set_live(false);
    }

    /// Reads fields of the configuration that belong together: again while their generation changes (2.5.1).
    pub(super) fn read_config<R>(&self, mut read: impl FnMut() -> R) -> Result<R, ProbeError> {
        for _ in 0..CONFIG_READ_RETRIES {
            let before = self.common.read(&CONFIG_GENERATION);
            let value = read();
            if self.common.read(&CONFIG_GENERATION) == before {
                return Ok(value);
            }
        }
        Err(ProbeError::Device("the virtio configuration changes faster than it can be read"))
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device").field("address", &self.address).finish_non_exhaustive()
    }
}
