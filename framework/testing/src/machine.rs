//! The fake machine, as a test sees it.

#![expect(unsafe_code, reason = "a test reads and writes DMA memory as a device does")]

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ptr::NonNull;

use switchboard::config::{Address, ConfigAccess, Width};
use switchboard::machine::Machine;
use switchboard::platform::ModePolicy;
use switchboard::sync::IrqLock;
use switchboard::vector::VectorTable;

use super::builder::Builder;
use super::config::FakeConfig;
use super::controller::{FakeClock, FakeController};
use super::device_state::DeviceState;
use super::function::FakeFunction;
use super::memory::FakeMemory;

/// Where BARs are assigned from.
const BAR_BASE: u32 = 0x8000_0000;

/// A machine made of memory. It is leaked: machines live for ever.
pub struct FakeMachine {
    pub(super) machine: &'static Machine,
    pub(super) config: &'static FakeConfig,
    pub(super) memory: &'static FakeMemory,
    pub(super) controller: &'static FakeController,
    clock: &'static FakeClock,
    pub(super) vectors: &'static VectorTable,
    pub(super) delivery: IrqLock<()>,
    next_bar: IrqLock<u32>,
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
        vectors: &'static VectorTable,
    ) -> Self {
        let (delivery, next_bar) = (IrqLock::new(()), IrqLock::new(BAR_BASE));
        Self { machine, config, memory, controller, clock, vectors, delivery, next_bar }
    }

    /// Returns a builder, for machines some of whose parts a test makes itself.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Returns a builder of a second machine with the functions, memory and clock of this one: for a test that puts a configuration space of its
    /// own in front of [`config`](Self::config). Only one of the two machines may then be used by drivers.
    #[must_use]
    pub fn share(&self) -> Builder {
        Builder::sharing(self.config, self.memory, self.clock)
    }

    /// Returns the machine's configuration space.
    #[must_use]
    pub fn config(&self) -> &'static dyn ConfigAccess {
        self.config
    }

    /// Puts a function in while the machine runs, with its BARs assigned. It is found by the next scan.
    ///
    /// # Panics
    /// When one is there already.
    pub fn insert(&self, mut function: FakeFunction) {
        let (state, mut next) = (DeviceState::new(), self.next_bar.lock());
        for (index, size) in function.bars.clone() {
            let step = u32::try_from(size).unwrap_or(0).max(0x1000);
            *next = next.next_multiple_of(step);
            function.assign(index, *next);
            self.memory.add((*next).into(), size, &state);
            *next += step;
        }
        self.config.insert(function, state);
    }

    /// The machine, for the framework.
    #[must_use]
    pub fn machine(&self) -> &'static Machine {
        self.machine
    }

    /// Has a device act each time somebody looks at the clock, as a waiting driver does.
    pub fn on_tick(&self, act: impl Fn() + Send + Sync + 'static) {
        self.clock.on_tick(Arc::new(act));
    }

    /// Has a device act before each access of its driver to its registers: answer what was written before, say.
    pub fn on_access(&self, address: Address, act: impl Fn() + Send + Sync + 'static) {
        if let Some(state) = self.config.state(address) {
            state.on_access(Arc::new(act));
        }
    }

    /// Allocates DMA memory at bus address `bus` and up from now on: for devices that drive few address bits.
    pub fn allocate_from(&self, bus: u64) {
        self.memory.allocate_from(bus);
    }

    /// Returns the DMA pages that are in use.
    #[must_use]
    pub fn dma_pages(&self) -> usize {
        self.memory.pages_in_use()
    }

    /// Returns the bus address and the bytes of each block of DMA memory in use, in the order of their allocation.
    #[must_use]
    pub fn dma_blocks(&self) -> Vec<(u64, usize)> {
        self.memory.blocks()
    }

    /// Sets a word of configuration space as the device would, read-only bits included: a reset, say.
    pub fn set_config(&self, address: Address, offset: u16, value: u16) {
        self.config.set(address, offset, value);
    }

    /// Reads a word of configuration space as the device has it.
    #[must_use]
    pub fn read_config(&self, address: Address, offset: u16) -> u16 {
        (self.config.peek(address, offset, Width::Word) & 0xffff) as u16
    }

    /// Where the capability of that kind is.
    #[must_use]
    pub fn find_capability(&self, address: Address, id: u8) -> Option<u16> {
        self.capability(address, id)
    }

    /// Takes a function off the bus: it reads all ones from now on.
    pub fn remove(&self, address: Address) {
        if let Some(state) = self.config.state(address) {
            state.end();
        }
    }

    /// Takes a function off the bus after so many more accesses of the framework and its driver, to its configuration
    /// space and its registers.
    pub fn remove_after(&self, address: Address, accesses: usize) {
        if let Some(state) = self.config.state(address) {
            state.end_after(accesses);
        }
    }

    /// Whether there is no function at that address any more.
    #[must_use]
    pub fn is_removed(&self, address: Address) -> bool {
        self.config.state(address).is_none_or(|state| state.is_gone())
    }

    /// Lets time pass.
    pub fn advance(&self, nanoseconds: u64) {
        self.clock.advance(nanoseconds);
    }

    /// Reads a 32-bit register as the device has it, by BAR and offset. Reads all ones once the function is gone.
    ///
    /// # Panics
    /// When the four bytes are not all in the BAR.
    #[must_use]
    pub fn read_register(&self, address: Address, bar: u8, offset: u64) -> u32 {
        (self.peek(address, bar, offset, 4) & 0xffff_ffff) as u32
    }

    /// Writes a 32-bit register as the device does. Does nothing once the function is gone.
    ///
    /// # Panics
    /// As [`read_register`](Self::read_register).
    pub fn write_register(&self, address: Address, bar: u8, offset: u64, value: u32) {
        self.poke(address, bar, offset, 4, value.into());
    }

    /// Reads one byte of a register as the device has it.
    ///
    /// # Panics
    /// When it is not in the BAR.
    #[must_use]
    pub fn read_register_u8(&self, address: Address, bar: u8, offset: u64) -> u8 {
        (self.peek(address, bar, offset, 1) & 0xff) as u8
    }

    /// Writes one byte of a register as the device does.
    ///
    /// # Panics
    /// When it is not in the BAR.
    pub fn write_register_u8(&self, address: Address, bar: u8, offset: u64, value: u8) {
        self.poke(address, bar, offset, 1, value.into());
    }

    fn peek(&self, address: Address, bar: u8, offset: u64, bytes: usize) -> u64 {
        let value =
            self.memory.registers(self.bar(address, bar)).and_then(|(bar, start)| bar.peek(start + offset, bytes));
        value.unwrap_or_else(|| panic!("{bytes} bytes at {offset:#x} are not in BAR {bar} of {address}"))
    }

    fn poke(&self, address: Address, bar: u8, offset: u64, bytes: usize, value: u64) {
        let done = self
            .memory
            .registers(self.bar(address, bar))
            .and_then(|(bar, start)| bar.poke(start + offset, bytes, value));
        done.unwrap_or_else(|| panic!("{bytes} bytes at {offset:#x} are not in BAR {bar} of {address}"));
    }

    /// Reads DMA memory as a device. `None` when it is not lent out: a wild access.
    #[must_use]
    pub fn dma_read(&self, bus: u64, length: usize) -> Option<Vec<u8>> {
        let place = self.memory.dma(bus, length)?;
        let read = |index| {
            // SAFETY: the whole range is lent out.
            let byte = unsafe { place.add(index) };
            // SAFETY: as above, and devices read volatile.
            unsafe { byte.read_volatile() }
        };
        Some((0..length).map(read).collect())
    }

    /// Writes DMA memory as a device. `None` when it is not lent out: a wild access.
    #[must_use]
    pub fn dma_write(&self, bus: u64, bytes: &[u8]) -> Option<()> {
        let place: NonNull<u8> = self.memory.dma(bus, bytes.len())?;
        for (index, byte) in bytes.iter().enumerate() {
            // SAFETY: the whole range is lent out.
            let place = unsafe { place.add(index) };
            // SAFETY: as above, and devices write volatile.
            unsafe { place.write_volatile(*byte) };
        }
        Some(())
    }

    pub(super) fn bar(&self, address: Address, index: u8) -> u64 {
        u64::from(self.config.peek(address, 0x10 + 4 * u16::from(index), Width::Dword) & !0xf)
    }
}

impl fmt::Debug for FakeMachine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeMachine").field("machine", &self.machine).finish_non_exhaustive()
    }
}
