//! The fake machine: what a test builds, and what it does to the machine as a whole.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use switchboard::config::{Address, ConfigAccess, Width};
use switchboard::machine::Machine;
use switchboard::platform::ModePolicy;
use switchboard::sync::IrqLock;
use switchboard::vector::VectorTable;

use super::builder::Builder;
use super::clock::FakeClock;
use super::config::FakeConfig;
use super::controller::FakeController;
use super::device_state::DeviceState;
use super::function::{FakeBarKind, FakeFunction};
use super::memory::FakeMemory;

/// A machine made of memory, for tests of drivers on the host.
///
/// The driver's side of it is [`machine`](Self::machine), a [`Machine`] like any other. The test's side are the other
/// methods: they play the devices, which read and write [registers](Self::write_register) and [DMA
/// memory](Self::dma_write), [send](Self::send) messages or [assert](Self::assert_line) lines, and are
/// [removed](Self::remove). Its parts are leaked, since a [`Machine`] lives for ever.
///
/// ```
/// use switchboard_testing::{FakeFunction, FakeMachine};
///
/// let fake = FakeMachine::new([
///     FakeFunction::new(0x1234, 0x0001).at("00:01.0"),
///     FakeFunction::new(0x1234, 0x0002).at("00:02.0"),
/// ]);
/// let ids: Vec<_> = fake.machine().take_all().iter().map(|function| function.id()).collect();
/// assert_eq!(ids, [(0x1234, 0x0001), (0x1234, 0x0002)]);
/// ```
pub struct FakeMachine {
    pub(super) machine: &'static Machine,
    pub(super) config: &'static FakeConfig,
    pub(super) memory: &'static FakeMemory,
    pub(super) controller: &'static FakeController,
    pub(super) clock: &'static FakeClock,
    pub(super) cpus: Vec<FakeCpu>,
    next_addresses: IrqLock<NextAddresses>,
}

/// A CPU, whose interrupts the test's threads deliver one after the other.
pub(super) struct FakeCpu {
    pub(super) vectors: &'static VectorTable,
    pub(super) delivery: IrqLock<()>,
}

/// The lowest free address for a BAR of each kind.
#[derive(Debug)]
struct NextAddresses {
    low: u64,
    high: u64,
    port: u64,
}

impl NextAddresses {
    const FIRST: Self = Self { low: 0x8000_0000, high: 0x40_0000_0000, port: 0x1000 };

    fn take(&mut self, kind: FakeBarKind, size: u64) -> u64 {
        let (next, step) = match kind {
            FakeBarKind::Memory32 => (&mut self.low, size.max(0x1000)),
            FakeBarKind::Memory64 => (&mut self.high, size.max(0x1000)),
            FakeBarKind::Io => (&mut self.port, size),
        };
        let address = next.next_multiple_of(step);
        *next = address + step;
        address
    }
}

impl FakeMachine {
    /// Builds a machine with these functions that permits every interrupt mode, and scans it.
    #[must_use]
    pub fn new(functions: impl IntoIterator<Item = FakeFunction>) -> Self {
        Self::with_policy(ModePolicy::all(), functions)
    }

    /// Builds a machine with these functions that permits the interrupt modes of `policy`, and scans it.
    #[must_use]
    pub fn with_policy(policy: ModePolicy, functions: impl IntoIterator<Item = FakeFunction>) -> Self {
        let this = Self::builder().policy(policy).build();
        functions.into_iter().for_each(|function| this.insert(function));
        this.machine.scan();
        this
    }

    pub(super) fn assemble(
        machine: &'static Machine,
        config: &'static FakeConfig,
        memory: &'static FakeMemory,
        controller: &'static FakeController,
        clock: &'static FakeClock,
        vectors: Vec<&'static VectorTable>,
    ) -> Self {
        let cpus = vectors.into_iter().map(|vectors| FakeCpu { vectors, delivery: IrqLock::new(()) }).collect();
        Self { machine, config, memory, controller, clock, cpus, next_addresses: IrqLock::new(NextAddresses::FIRST) }
    }

    /// Returns a builder, for machines some of whose parts the test implements itself.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Returns a builder of a second machine with the functions, memory and clock of this one: for a test that puts a
    /// configuration space of its own in front of [`config`](Self::config). Only one of the two machines may then be
    /// used by drivers.
    #[must_use]
    pub fn share(&self) -> Builder {
        Builder::sharing(self.config, self.memory, self.clock)
    }

    /// Returns the machine's configuration space.
    #[must_use]
    pub fn config(&self) -> &'static dyn ConfigAccess {
        self.config
    }

    /// Adds a function while the machine runs, with its BARs assigned. The next scan finds it.
    ///
    /// # Panics
    /// When there is one at its address already, or no address is left for a BAR.
    pub fn insert(&self, mut function: FakeFunction) {
        let (state, mut next) = (DeviceState::new(), self.next_addresses.lock());
        for bar in function.bars.clone() {
            let address = next.take(bar.kind, bar.size);
            function.assign(bar, address);
            if bar.kind != FakeBarKind::Io {
                self.memory.add(address, bar.size, &state);
            }
        }
        self.config.insert(function, state);
    }

    /// Returns the machine as the framework and its drivers use it.
    #[must_use]
    pub fn machine(&self) -> &'static Machine {
        self.machine
    }

    /// Lets time pass. The clock also advances by a microsecond each time it is read.
    pub fn advance_ns(&self, nanoseconds: u64) {
        self.clock.advance_ns(nanoseconds);
    }

    /// Calls `hook` each time the clock is read, which a driver does in each turn of a wait loop: devices that become
    /// ready after a while are modelled here. The hook replaces the one before.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use switchboard_testing::{FakeFunction, FakeMachine};
    ///
    /// const RESET: u64 = 0x00;
    /// let fake = Arc::new(FakeMachine::new([FakeFunction::new(0x1234, 0x0001).bar(0, 0x1000)]));
    /// let function = fake.machine().take_all().remove(0);
    /// let address = function.address();
    /// // The device is in reset until the driver has waited a little.
    /// fake.write_register(address, 0, RESET, 1);
    /// fake.on_tick({
    ///     let fake = fake.clone();
    ///     move || fake.write_register(address, 0, RESET, 0)
    /// });
    ///
    /// let start = function.clock().now_ns();
    /// assert_eq!(fake.read_register(address, 0, RESET), 0);
    /// assert_eq!(function.clock().now_ns() - start, 1_000);
    /// ```
    pub fn on_tick(&self, hook: impl Fn() + Send + Sync + 'static) {
        self.clock.on_tick(Arc::new(hook));
    }

    /// Sets a word of configuration space as the device would, read-only bits included: after a reset, for example.
    pub fn set_config(&self, address: Address, offset: u16, value: u16) {
        self.config.set(address, offset, value);
    }

    /// Reads a word of configuration space as the device has it.
    #[must_use]
    pub fn read_config(&self, address: Address, offset: u16) -> u16 {
        (self.config.peek(address, offset, Width::Word) & 0xffff) as u16
    }

    /// Returns the offset of the first capability with this id.
    #[must_use]
    pub fn find_capability(&self, address: Address, id: u8) -> Option<u16> {
        self.capability(address, id)
    }

    /// Removes a function from the bus: configuration space and registers read all ones from now on, and writes have no
    /// effect.
    ///
    /// The framework does not know until a driver's access fails, a hot-plug port reports it
    /// ([`Machine::mark_removed`]) or all functions are checked ([`Machine::check_presence`]).
    ///
    /// ```
    /// use switchboard_testing::{FakeFunction, FakeMachine};
    ///
    /// let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x0001).bar(0, 0x1000)]);
    /// let function = fake.machine().take_all().remove(0);
    /// let address = function.address();
    ///
    /// fake.remove(address);
    /// assert_eq!(fake.read_register(address, 0, 0), u32::MAX);
    /// assert_eq!(fake.machine().check_presence(), 1);
    /// assert!(function.claim().is_err());
    /// ```
    pub fn remove(&self, address: Address) {
        if let Some(state) = self.config.state(address) {
            state.remove();
        }
    }

    /// Removes a function from the bus after `accesses` more accesses of the framework and its driver to its
    /// configuration space and its registers.
    ///
    /// [`RemovalTest`](crate::RemovalTest) tries every such moment of a driver's probe.
    pub fn remove_after(&self, address: Address, accesses: usize) {
        if let Some(state) = self.config.state(address) {
            state.remove_after(accesses);
        }
    }

    /// Returns whether there is no function at that address any more.
    #[must_use]
    pub fn is_removed(&self, address: Address) -> bool {
        self.config.state(address).is_none_or(|state| state.is_gone())
    }
}

impl fmt::Debug for FakeMachine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeMachine").field("machine", &self.machine).finish_non_exhaustive()
    }
}
