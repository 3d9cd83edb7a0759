//! The controller as a whole: reset, start and shutdown (NVM Express Base Specification 1.4, 7.6).

use alloc::sync::Arc;
use core::fmt;

use switchboard::config::Address;
use switchboard::driver::ProbeError;
use switchboard::function::{BusPort, Presence};
use switchboard::mmio::Bar;
use switchboard::platform::Clock;

use super::admin::ADMIN_ENTRIES;
use super::queue::QueuePair;
use super::registers::{ACQ, AQA, ASQ, CAP_HIGH, CAP_LOW, CC, CSTS, Capabilities, Configuration, Registers, Status};

/// The pages that the driver uses: 4 KiB.
pub(super) const PAGE_BITS: u32 = 12;
/// The limit for an orderly shutdown, after which the controller is disabled anyway.
const SHUTDOWN_TIMEOUT_NS: u64 = 1_000_000_000;

/// A claimed controller. Dropping it stops the controller, which then accesses no memory.
pub(super) struct Controller {
    registers: Arc<Bar<Registers>>,
    clock: &'static dyn Clock,
    pub(super) bus: BusPort,
    pub(super) presence: Presence,
    pub(super) address: Address,
    pub(super) capabilities: Capabilities,
}

impl Controller {
    /// Resets a controller.
    pub(super) fn reset(
        registers: Arc<Bar<Registers>>,
        clock: &'static dyn Clock,
        bus: BusPort,
        presence: Presence,
        address: Address,
    ) -> Result<Self, ProbeError> {
        let capabilities = Capabilities::new(registers.read(&CAP_LOW), registers.read(&CAP_HIGH));
        let controller = Self { registers, clock, bus, presence, address, capabilities };
        controller.disable()?;
        if capabilities.min_page_bits > PAGE_BITS {
            let (wanted, found) = (PAGE_BITS.into(), capabilities.min_page_bits.into());
            return Err(ProbeError::Unexpected { what: "smallest NVMe page as a power of two", wanted, found });
        }
        if !capabilities.has_nvm_commands {
            return Err(ProbeError::Device("the controller has no NVM command set"));
        }
        Ok(controller)
    }

    /// Starts the controller with its admin queues.
    pub(super) fn start<R>(&self, admin: &QueuePair<R>) -> Result<(), ProbeError> {
        self.begin_start(admin);
        self.await_ready(true)
    }

    /// Begins to start the controller, which is [ready](Self::is_ready) later.
    pub(super) fn begin_start<R>(&self, admin: &QueuePair<R>) {
        let (submission, completion) = admin.addresses();
        let size = u32::from(ADMIN_ENTRIES - 1);
        self.registers.write(&AQA, size | size << 16);
        self.registers.write_address_pair(&ASQ, submission);
        self.registers.write_address_pair(&ACQ, completion);
        let configuration = Configuration::ENABLE | Configuration::COMMAND_BYTES | Configuration::COMPLETION_BYTES;
        self.registers.write(&CC, configuration.bits());
    }

    /// Begins a reset: the controller stops when it is no longer [ready](Self::is_ready).
    pub(super) fn begin_reset(&self) {
        self.registers.write(&CC, 0);
    }

    /// Returns whether the controller is ready; `None` when it has failed, or does not respond.
    pub(super) fn is_ready(&self) -> Option<bool> {
        let status = self.status();
        let is_ready = status.contains(Status::READY);
        let has_failed = is_ready && status.contains(Status::FATAL);
        (!status.is_all() && !has_failed).then_some(is_ready)
    }

    fn status(&self) -> Status {
        Status::from_bits_retain(self.registers.read(&CSTS))
    }

    /// Returns whether the controller reports that it has failed; `None` when it does not respond.
    pub(super) fn has_failed(&self) -> Option<bool> {
        let status = self.status();
        (!status.is_all()).then_some(status.contains(Status::FATAL))
    }

    fn disable(&self) -> Result<(), ProbeError> {
        self.registers.write(&CC, 0);
        self.await_ready(false)
    }

    fn await_ready(&self, is_wanted: bool) -> Result<(), ProbeError> {
        let mut status = Status::empty();
        self.clock.wait_until(self.capabilities.timeout_ns, || {
            status = self.status();
            // A controller that has failed is still stopped.
            status.contains(Status::READY) == is_wanted
                || is_wanted && status.contains(Status::FATAL)
                || status.is_all()
        });
        if status.contains(Status::READY) == is_wanted && !status.is_all() {
            return Ok(());
        }
        let wanted = if is_wanted { Status::READY } else { Status::empty() };
        let (wanted, found) = (wanted.bits().into(), status.bits().into());
        Err(ProbeError::Unexpected { what: "status of the NVMe controller", wanted, found })
    }

    /// Quarantines the controller after a violation of its specification: isolates it from the bus, and stops it.
    pub(super) fn quarantine(&self, fault: &dyn fmt::Display) {
        log::error!("{}: nvme: {fault}; the controller is quarantined", self.address);
        self.bus.isolate();
        self.registers.write(&CC, 0);
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        let configuration = self.registers.read(&CC);
        if configuration & Configuration::ENABLE.bits() != 0 && !self.presence.is_gone() && !self.bus.is_isolated() {
            self.registers.write(&CC, configuration | Configuration::SHUTDOWN_NORMAL.bits());
            // Its cache is written back (7.6.2).
            self.clock.wait_until(SHUTDOWN_TIMEOUT_NS, || self.status().contains(Status::SHUTDOWN_COMPLETE));
        }
        if let Err(error) = self.disable()
            && self.presence.confirm().is_ok()
        {
            log::warn!("{}: {error}", self.address);
        }
    }
}

impl fmt::Debug for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Controller").field("address", &self.address).finish_non_exhaustive()
    }
}
