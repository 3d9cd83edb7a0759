//! The fake machine, as a test sees it.

#![expect(unsafe_code, reason = "a test reads and writes DMA memory as a device does")]

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;
use core::ptr::NonNull;

use super::config::{FakeConfig, FakeFunction};
use super::controller::{FakeClock, FakeController};
use super::departure::Stay;
use super::memory::FakeMemory;
use crate::assign::Apertures;
use crate::config::{Address, Width};
use crate::function::Inventory;
use crate::interrupt::{ModePolicy, VectorTable};
use crate::machine::Machine;
use crate::sync::IrqLock;

/// Where BARs are assigned from.
const BAR_BASE: u32 = 0x8000_0000;
/// Where the framework may put others.
const PORTS: Range<u64> = 0xc000..0x1_0000;
const HOLE: Range<u64> = 0xc000_0000..0xe000_0000;

/// A machine made of memory. It is leaked: machines live for ever.
pub struct FakeMachine {
    pub(super) machine: &'static Machine,
    pub(super) config: &'static FakeConfig,
    pub(super) memory: &'static FakeMemory,
    pub(super) controller: &'static FakeController,
    clock: &'static FakeClock,
    pub(super) delivery: IrqLock<()>,
    next_bar: IrqLock<u32>,
}

impl FakeMachine {
    /// A machine with these functions, that permits every mode; scanned.
    #[must_use]
    pub fn new(functions: impl IntoIterator<Item = FakeFunction>) -> Self {
        Self::with_policy(ModePolicy::all(), functions)
    }

    /// A machine with these functions, that permits the modes of `policy`; scanned.
    #[must_use]
    pub fn with_policy(policy: ModePolicy, functions: impl IntoIterator<Item = FakeFunction>) -> Self {
        let memory: &FakeMemory = Box::leak(Box::new(FakeMemory::new()));
        let config: &FakeConfig = Box::leak(Box::new(FakeConfig::new()));
        let controller: &FakeController = Box::leak(Box::new(FakeController::new()));
        let clock: &FakeClock = Box::leak(Box::new(FakeClock::new()));
        let machine: &Machine = Box::leak(Box::new(Machine {
            config,
            apertures: Apertures { io: Vec::from([PORTS]), memory: Vec::from([HOLE]), taken: Vec::new() },
            controller,
            memory,
            clock,
            vectors: Box::leak(Box::new(VectorTable::new(0))),
            policy,
            inventory: Inventory::new(),
        }));
        let this = Self {
            machine,
            config,
            memory,
            controller,
            clock,
            delivery: IrqLock::new(()),
            next_bar: IrqLock::new(BAR_BASE),
        };
        functions.into_iter().for_each(|function| this.insert(function));
        machine.scan();
        this
    }

    /// Puts a function in while the machine runs, with its BARs assigned. It is found by the next scan.
    ///
    /// # Panics
    /// When one is there already.
    pub fn insert(&self, mut function: FakeFunction) {
        let (stay, mut next) = (Stay::new(), self.next_bar.lock());
        for (index, size) in function.bars.clone() {
            let step = u32::try_from(size).unwrap_or(0).max(0x1000);
            *next = next.next_multiple_of(step);
            function.assign(index, *next);
            self.memory.add((*next).into(), size, &stay);
            *next += step;
        }
        self.config.insert(function, stay);
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
        if let Some(stay) = self.config.stay(address) {
            stay.on_access(Arc::new(act));
        }
    }

    /// Has DMA memory begin at `bus` from now on: for devices that do not reach far.
    pub fn lend_from(&self, bus: u64) {
        self.memory.lend_from(bus);
    }

    /// DMA pages that are lent out.
    #[must_use]
    pub fn lent_pages(&self) -> usize {
        self.memory.lent()
    }

    /// The DMA memory that is lent out, in the order in which it was: where it begins, and its bytes.
    #[must_use]
    pub fn lent_blocks(&self) -> Vec<(u64, usize)> {
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
        if let Some(stay) = self.config.stay(address) {
            stay.leave();
        }
    }

    /// Takes a function off the bus after so many more accesses of the framework and its driver, to its configuration
    /// space and its registers.
    pub fn remove_after(&self, address: Address, accesses: usize) {
        if let Some(stay) = self.config.stay(address) {
            stay.schedule(accesses);
        }
    }

    /// Whether there is no function at that address any more.
    #[must_use]
    pub fn is_removed(&self, address: Address) -> bool {
        self.config.stay(address).is_none_or(|stay| stay.is_gone())
    }

    /// Lets time pass.
    pub fn advance(&self, nanoseconds: u64) {
        self.clock.advance(nanoseconds);
    }

    /// Reads a register as the device has it, by BAR and offset.
    ///
    /// # Panics
    /// When there is no such register.
    #[must_use]
    pub fn read_register(&self, address: Address, bar: u8, offset: u64) -> u32 {
        self.memory.read_device(self.bar(address, bar) + offset).expect("a register in a BAR")
    }

    /// Sets a register as the device has it.
    ///
    /// # Panics
    /// When there is no such register.
    pub fn write_register(&self, address: Address, bar: u8, offset: u64, value: u32) {
        self.memory.write_device(self.bar(address, bar) + offset, value).expect("a register in a BAR");
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
