//! A machine of parts that a test may replace.

#![expect(unsafe_code, reason = "vouches for the parts of a machine that reaches no hardware")]

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use switchboard::assign::Apertures;
use switchboard::config::ConfigAccess;
use switchboard::machine::{DeviceFence, Machine, MachineParts, RootBuses};
use switchboard::platform::{Clock, MemoryError, ModePolicy, RegisterAccess};
use switchboard::vector::VectorTable;

use super::config::FakeConfig;
use super::controller::{FakeClock, FakeController};
use super::machine::FakeMachine;
use super::memory::FakeMemory;

/// Where the framework may put BARs that have no address.
const PORTS: Range<u64> = 0xc000..0x1_0000;
const MEMORY: Range<u64> = 0xc000_0000..0xe000_0000;

/// Device memory that a test makes itself.
pub trait DeviceRegisters: Send + Sync {
    /// Maps `length` bytes of registers at `physical`.
    ///
    /// # Errors
    /// [`MemoryError`] where there are none.
    fn map(&self, physical: u64, length: u64) -> Result<&'static dyn RegisterAccess, MemoryError>;
}

/// Builds a [`FakeMachine`]. What is not set is made of memory.
pub struct Builder {
    policy: ModePolicy,
    apertures: Apertures,
    root_buses: RootBuses,
    config: Option<&'static dyn ConfigAccess>,
    clock: Option<&'static dyn Clock>,
    registers: Option<&'static dyn DeviceRegisters>,
    shared: Option<(&'static FakeConfig, &'static FakeMemory, &'static FakeClock)>,
}

impl Default for Builder {
    fn default() -> Self {
        let apertures = Apertures { io: Vec::from([PORTS]), memory: Vec::from([MEMORY]), taken: Vec::new() };
        let (policy, root_buses) = (ModePolicy::all(), RootBuses::Any);
        Self { policy, apertures, root_buses, config: None, clock: None, registers: None, shared: None }
    }
}

impl Builder {
    /// Returns a builder of a machine with the functions, memory and clock of another.
    pub(super) fn sharing(config: &'static FakeConfig, memory: &'static FakeMemory, clock: &'static FakeClock) -> Self {
        Self { shared: Some((config, memory, clock)), ..Self::default() }
    }

    /// Permits the interrupt modes of `policy` only.
    #[must_use]
    pub fn policy(self, policy: ModePolicy) -> Self {
        Self { policy, ..self }
    }

    /// Sets the addresses that the framework may give to BARs and bridge windows.
    #[must_use]
    pub fn apertures(self, apertures: Apertures) -> Self {
        Self { apertures, ..self }
    }

    /// Sets where the scan looks for root buses.
    #[must_use]
    pub fn root_buses(self, root_buses: RootBuses) -> Self {
        Self { root_buses, ..self }
    }

    /// Replaces configuration space. Functions that are [inserted](FakeMachine::insert) are not seen then.
    #[must_use]
    pub fn config(self, config: &'static dyn ConfigAccess) -> Self {
        Self { config: Some(config), ..self }
    }

    /// Replaces the clock.
    #[must_use]
    pub fn clock(self, clock: &'static dyn Clock) -> Self {
        Self { clock: Some(clock), ..self }
    }

    /// Replaces device memory.
    #[must_use]
    pub fn registers(self, registers: &'static dyn DeviceRegisters) -> Self {
        Self { registers: Some(registers), ..self }
    }

    /// Builds the machine. Nothing is scanned yet.
    #[must_use]
    pub fn build(self) -> FakeMachine {
        let (config, memory, clock) = self.shared.unwrap_or_else(|| {
            let memory = Box::leak(Box::new(FakeMemory::new(self.registers)));
            (Box::leak(Box::new(FakeConfig::new())), memory, Box::leak(Box::new(FakeClock::new())))
        });
        let controller: &FakeController = Box::leak(Box::new(FakeController::new()));
        let vectors: &VectorTable = Box::leak(Box::new(VectorTable::new(0)));
        let parts = MachineParts {
            config: self.config.unwrap_or(config),
            root_buses: self.root_buses,
            apertures: self.apertures,
            controller,
            memory,
            clock: self.clock.unwrap_or(clock),
            vectors,
            policy: self.policy,
            fence: DeviceFence::Cpu,
        };
        // SAFETY: no part reaches hardware. Controller and vectors are fresh and belong to this machine alone; memory that is shared hands out
        // each block once. Configuration space, clock and registers are reached by calls, and what they return is checked as any
        // device's answer is.
        let machine: &Machine = Box::leak(Box::new(unsafe { Machine::new(parts) }));
        FakeMachine::assemble(machine, config, memory, controller, clock, vectors)
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("policy", &self.policy).finish_non_exhaustive()
    }
}
