//! A device in any state: its registers, its reset, its configuration (virtio 1.2, 2.1, 2.4 and 2.5).

use core::fmt;

use switchboard::config::Address;
use switchboard::driver::ProbeError;
use switchboard::function::BusPort;
use switchboard::mmio::Bar;
use switchboard::platform::Clock;

use super::interrupt_status::InterruptStatus;
use super::registers::{CONFIG_GENERATION, Common, DEVICE_STATUS, Status};
use super::structures::Structures;

/// How long a reset may take. The specification names no bound; real devices need far less.
const RESET_TIMEOUT_NS: u64 = 100_000_000;
/// How often the configuration may change while it is being read.
const CONFIG_READ_RETRIES: u32 = 64;

/// A claimed device. Dropping resets it, so that it lets go of memory and interrupts before these are given back.
pub(super) struct Device {
    pub(super) common: Bar<Common>,
    pub(super) structures: Structures,
    pub(super) interrupt_status: InterruptStatus,
    pub(super) bus: BusPort,
    pub(super) clock: &'static dyn Clock,
    pub(super) address: Address,
}

impl Device {
    pub(super) fn status(&self) -> Status {
        Status::from_bits_retain(self.common.read(&DEVICE_STATUS))
    }

    pub(super) fn add_status(&self, status: Status) {
        self.common.write(&DEVICE_STATUS, (self.status() | status).bits());
    }

    /// Resets the device and waits until its status reads 0 (4.1.4.3.2).
    pub(super) fn reset(&self) -> Result<(), ProbeError> {
        self.common.write(&DEVICE_STATUS, 0);
        let clock = self.clock;
        let start = clock.now_ns();
        loop {
            let status = self.status();
            if status.is_empty() {
                return Ok(());
            }
            let is_gone = status.bits() == u8::MAX;
            if is_gone || clock.now_ns().saturating_sub(start) > RESET_TIMEOUT_NS {
                let found = status.bits().into();
                return Err(ProbeError::Unexpected { what: "virtio status after reset", wanted: 0, found });
            }
            core::hint::spin_loop();
        }
    }

    pub(super) fn stop(&self) {
        if let Err(error) = self.reset() {
            log::warn!("{}: {error}", self.address);
        }
        self.interrupt_status.set_live(false);
    }

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
