//! The devices of a fake machine, as a test plays them: their registers.

use alloc::sync::Arc;

use switchboard::config::{Address, Width};

use super::FakeMachine;
use super::registers::{RegisterRead, RegisterWrite, Registers};

impl FakeMachine {
    /// Reads a 32-bit register as the device has it, by BAR and offset. Returns all ones once the function is removed.
    ///
    /// # Panics
    /// When the four bytes are not all in a memory BAR.
    #[must_use]
    pub fn read_register(&self, address: Address, bar: u8, offset: u64) -> u32 {
        (self.peek(address, bar, offset, 4) & 0xffff_ffff) as u32
    }

    /// Writes a 32-bit register as the device does, whatever direction it has for the driver. Does nothing once the
    /// function is removed. No hook is called.
    ///
    /// ```
    /// use switchboard::mmio::{Bar, ReadOnly, Reg, RegisterBlock};
    /// use switchboard_testing::{FakeFunction, FakeMachine};
    ///
    /// struct Registers;
    /// impl RegisterBlock for Registers {
    ///     const SIZE: u64 = 0x100;
    /// }
    /// const VERSION: Reg<Registers, u32, ReadOnly> = Reg::at(0x10);
    /// const PORTS: Reg<Registers, u8, ReadOnly> = Reg::at(0x14);
    /// const LINK: Reg<Registers, u16, ReadOnly> = Reg::at(0x16);
    ///
    /// let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x0001).bar(0, 0x1000)]);
    /// let function = fake.machine().take_all().remove(0);
    /// let address = function.address();
    /// fake.write_register(address, 0, 0x10, 7);
    /// // Registers are bytes in little-endian order: 8 and 16 bits have methods of their own.
    /// fake.write_register_u8(address, 0, 0x14, 2);
    /// fake.write_register_u16(address, 0, 0x16, 1000);
    ///
    /// let bar: Bar<Registers> = function.claim().unwrap().bar0.map().unwrap();
    /// assert_eq!((bar.read(&VERSION), bar.read(&PORTS), bar.read(&LINK)), (7, 2, 1000));
    /// ```
    ///
    /// # Panics
    /// As [`read_register`](Self::read_register).
    pub fn write_register(&self, address: Address, bar: u8, offset: u64, value: u32) {
        self.poke(address, bar, offset, 4, value.into());
    }

    /// Reads a 16-bit register as the device has it.
    ///
    /// # Panics
    /// When the two bytes are not both in a memory BAR.
    #[must_use]
    pub fn read_register_u16(&self, address: Address, bar: u8, offset: u64) -> u16 {
        (self.peek(address, bar, offset, 2) & 0xffff) as u16
    }

    /// Writes a 16-bit register as the device does.
    ///
    /// # Panics
    /// When the two bytes are not both in a memory BAR.
    pub fn write_register_u16(&self, address: Address, bar: u8, offset: u64, value: u16) {
        self.poke(address, bar, offset, 2, value.into());
    }

    /// Reads an 8-bit register, or one byte of a wider one, as the device has it.
    ///
    /// # Panics
    /// When it is not in a memory BAR.
    #[must_use]
    pub fn read_register_u8(&self, address: Address, bar: u8, offset: u64) -> u8 {
        (self.peek(address, bar, offset, 1) & 0xff) as u8
    }

    /// Writes an 8-bit register, or one byte of a wider one, as the device does.
    ///
    /// # Panics
    /// When it is not in a memory BAR.
    pub fn write_register_u8(&self, address: Address, bar: u8, offset: u64, value: u8) {
        self.poke(address, bar, offset, 1, value.into());
    }

    /// Calls `hook` for each write of the driver to a memory BAR. The register holds afterwards what the hook returns.
    /// The hook replaces the one before; without one, a register holds what was written.
    ///
    /// A register whose bits are cleared by writing ones:
    ///
    /// ```
    /// use switchboard::mmio::{Bar, Reg, RegisterBlock};
    /// use switchboard_testing::{FakeFunction, FakeMachine};
    ///
    /// struct Registers;
    /// impl RegisterBlock for Registers {
    ///     const SIZE: u64 = 0x100;
    /// }
    /// const CAUSE: Reg<Registers, u32> = Reg::at(0x08);
    ///
    /// let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x0001).bar(0, 0x1000)]);
    /// let function = fake.machine().take_all().remove(0);
    /// let address = function.address();
    /// fake.on_write(address, 0, |write| match write.offset {
    ///     0x08 => write.old & !write.value,
    ///     _ => write.value,
    /// });
    /// fake.write_register(address, 0, 0x08, 0b101);
    ///
    /// let bar: Bar<Registers> = function.claim().unwrap().bar0.map().unwrap();
    /// bar.write(&CAUSE, 0b001);
    /// assert_eq!(bar.read(&CAUSE), 0b100);
    /// ```
    ///
    /// # Panics
    /// When the function has no such memory BAR.
    pub fn on_write(&self, address: Address, bar: u8, hook: impl Fn(RegisterWrite) -> u64 + Send + Sync + 'static) {
        self.registers(address, bar).on_write(Arc::new(hook));
    }

    /// Calls `hook` for each read by the driver of a memory BAR. The driver reads what the hook returns; what the
    /// register holds is not changed. The hook replaces the one before.
    ///
    /// A register that is cleared by reading it:
    ///
    /// ```
    /// use std::sync::Arc;
    /// use switchboard::mmio::{Bar, ReadOnly, Reg, RegisterBlock};
    /// use switchboard_testing::{FakeFunction, FakeMachine};
    ///
    /// struct Registers;
    /// impl RegisterBlock for Registers {
    ///     const SIZE: u64 = 0x100;
    /// }
    /// const CAUSE: Reg<Registers, u32, ReadOnly> = Reg::at(0x08);
    ///
    /// let fake = Arc::new(FakeMachine::new([FakeFunction::new(0x1234, 0x0001).bar(0, 0x1000)]));
    /// let function = fake.machine().take_all().remove(0);
    /// let address = function.address();
    /// fake.write_register(address, 0, 0x08, 0b101);
    /// fake.on_read(address, 0, {
    ///     let fake = fake.clone();
    ///     move |read| {
    ///         if read.offset == 0x08 {
    ///             fake.write_register(address, 0, 0x08, 0);
    ///         }
    ///         read.value
    ///     }
    /// });
    ///
    /// let bar: Bar<Registers> = function.claim().unwrap().bar0.map().unwrap();
    /// assert_eq!((bar.read(&CAUSE), bar.read(&CAUSE)), (0b101, 0));
    /// ```
    ///
    /// # Panics
    /// When the function has no such memory BAR.
    pub fn on_read(&self, address: Address, bar: u8, hook: impl Fn(RegisterRead) -> u64 + Send + Sync + 'static) {
        self.registers(address, bar).on_read(Arc::new(hook));
    }

    /// Calls `hook` before each access of the driver to any register of the function: a device that reacts to what was
    /// written before. The hook replaces the one before. [`on_write`](Self::on_write) and [`on_read`](Self::on_read)
    /// get the register and the value too.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU32, Ordering};
    /// use switchboard::mmio::{Bar, ReadOnly, Reg, RegisterBlock};
    /// use switchboard_testing::{FakeFunction, FakeMachine};
    ///
    /// struct Registers;
    /// impl RegisterBlock for Registers {
    ///     const SIZE: u64 = 0x100;
    /// }
    /// const STATUS: Reg<Registers, u32, ReadOnly> = Reg::at(0x00);
    ///
    /// let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x0001).bar(0, 0x1000)]);
    /// let function = fake.machine().take_all().remove(0);
    /// static ACCESSES: AtomicU32 = AtomicU32::new(0);
    /// fake.on_access(function.address(), || _ = ACCESSES.fetch_add(1, Ordering::Relaxed));
    ///
    /// let bar: Bar<Registers> = function.claim().unwrap().bar0.map().unwrap();
    /// bar.read(&STATUS);
    /// assert_eq!(ACCESSES.load(Ordering::Relaxed), 1);
    /// ```
    pub fn on_access(&self, address: Address, hook: impl Fn() + Send + Sync + 'static) {
        if let Some(state) = self.config.state(address) {
            state.on_access(Arc::new(hook));
        }
    }

    /// Returns the address of a BAR; of an I/O BAR, its first port.
    pub(super) fn bar(&self, address: Address, index: u8) -> u64 {
        let read = |index| u64::from(self.config.peek(address, 0x10 + 4 * u16::from(index), Width::Dword));
        match read(index) {
            io if io & 1 != 0 => io & !0x3,
            low if low & 0x6 == 0x4 => low & !0xf | read(index + 1) << 32,
            low => low & !0xf,
        }
    }

    fn registers(&self, address: Address, bar: u8) -> Arc<Registers> {
        let registers = self.memory.registers(self.bar(address, bar)).map(|(registers, _)| registers);
        registers.unwrap_or_else(|| panic!("{address} has no memory BAR {bar}"))
    }

    fn peek(&self, address: Address, bar: u8, offset: u64, bytes: usize) -> u64 {
        let value = self.registers(address, bar).peek(offset, bytes);
        value.unwrap_or_else(|| panic!("{bytes} bytes at {offset:#x} are not in BAR {bar} of {address}"))
    }

    fn poke(&self, address: Address, bar: u8, offset: u64, bytes: usize, value: u64) {
        let done = self.registers(address, bar).poke(offset, bytes, value);
        done.unwrap_or_else(|| panic!("{bytes} bytes at {offset:#x} are not in BAR {bar} of {address}"));
    }
}
