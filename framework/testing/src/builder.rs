//! The builder of a fake machine, whose parts a test may replace.

#![expect(unsafe_code, reason = "vouches for the parts of a machine that reaches no hardware")]

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use switchboard::assign::Apertures;
use switchboard::config::ConfigAccess;
use switchboard::machine::{DeviceFence, Machine, MachineParts, RootBuses};
use switchboard::platform::{Clock, ModePolicy};
use switchboard::vector::VectorTable;

use super::clock::FakeClock;
use super::config::FakeConfig;
use super::controller::FakeController;
use super::machine::FakeMachine;
use super::memory::FakeMemory;
use super::registers::DeviceRegisters;

/// The addresses that the framework may assign to BARs that have none.
const PORTS: Range<u64> = 0xc000..0x1_0000;
const MEMORY: Range<u64> = 0xc000_0000..0xe000_0000;

/// A builder of a [`FakeMachine`]. Parts that are not set are made of memory.
///
/// A machine that permits only lines, with a clock of the test's own:
///
/// ```
/// use switchboard::platform::{Clock, ModePolicy};
/// use switchboard_testing::{FakeFunction, FakeMachine};
///
/// struct Stopped;
/// impl Clock for Stopped {
///     fn now_ns(&self) -> u64 {
///         7
///     }
/// }
///
/// let fake = FakeMachine::builder().policy(ModePolicy::INTX).clock(&Stopped).build();
/// fake.insert(FakeFunction::new(0x1234, 0x0001).pin(1, 10).msi(1));
/// fake.machine().scan();
///
/// let function = fake.machine().take_all().remove(0);
/// assert_eq!(function.clock().now_ns(), 7);
/// let irq = function.claim().unwrap().irq;
/// assert!(irq.grant_messages::<1, Messages>().is_err(), "messages are not permitted");
/// # use switchboard::interrupt::{InIsr, MessageIsr};
/// # switchboard::messages! { enum Message { Only } }
/// # struct Messages;
/// # impl MessageIsr<1> for Messages {
/// #     type Message = Message;
/// #     fn on_message(&self, _: Message, _: &InIsr<'_>) {}
/// # }
/// ```
pub struct Builder {
    policy: ModePolicy,
    apertures: Apertures,
    root_buses: RootBuses,
    cpus: u32,
    config: Option<&'static dyn ConfigAccess>,
    clock: Option<&'static dyn Clock>,
    registers: Option<&'static dyn DeviceRegisters>,
    shared: Option<(&'static FakeConfig, &'static FakeMemory, &'static FakeClock)>,
}

impl Default for Builder {
    fn default() -> Self {
        let apertures = Apertures { io: Vec::from([PORTS]), memory: Vec::from([MEMORY]), taken: Vec::new() };
        let (policy, root_buses) = (ModePolicy::all(), RootBuses::Any);
        Self { policy, apertures, root_buses, cpus: 1, config: None, clock: None, registers: None, shared: None }
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

    /// Sets how the scan finds root buses.
    #[must_use]
    pub fn root_buses(self, root_buses: RootBuses) -> Self {
        Self { root_buses, ..self }
    }

    /// Sets the number of CPUs, instead of one.
    #[must_use]
    pub fn cpus(self, cpus: u32) -> Self {
        Self { cpus, ..self }
    }

    /// Replaces configuration space. The scan does not see functions that are [inserted](FakeMachine::insert) then.
    #[must_use]
    pub fn config(self, config: &'static dyn ConfigAccess) -> Self {
        Self { config: Some(config), ..self }
    }

    /// Replaces the clock.
    #[must_use]
    pub fn clock(self, clock: &'static dyn Clock) -> Self {
        Self { clock: Some(clock), ..self }
    }

    /// Replaces the registers behind BARs.
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
        let vectors: Vec<&'static VectorTable> =
            (0..self.cpus.max(1)).map(|id| &*Box::leak(Box::new(VectorTable::new(id)))).collect();
        let parts = MachineParts {
            config: self.config.unwrap_or(config),
            root_buses: self.root_buses,
            apertures: self.apertures,
            controller,
            memory,
            clock: self.clock.unwrap_or(clock),
            vectors: vectors.clone(),
            policy: self.policy,
            fence: DeviceFence::Cpu,
        };
        // SAFETY: no part reaches hardware. Controller and vectors are fresh and belong to this machine alone; memory
        // that is shared hands out each block once. Configuration space, clock and registers are reached by calls, and
        // what they return is checked as the answer of any device is.
        let machine: &Machine = Box::leak(Box::new(unsafe { Machine::new(parts) }));
        FakeMachine::assemble(machine, config, memory, controller, clock, vectors)
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("policy", &self.policy).finish_non_exhaustive()
    }
}
