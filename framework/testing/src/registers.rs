//! The registers of one BAR: bytes, and a test's hooks on their accesses.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use switchboard::platform::{MemoryError, RegisterAccess};
use switchboard::sync::IrqLock;

use super::device_state::DeviceState;

/// Device memory that a test implements itself, in place of the bytes behind BARs.
/// [`Builder::registers`](crate::Builder::registers) takes it.
pub trait DeviceRegisters: Send + Sync {
    /// Maps `length` bytes of registers at `physical`.
    ///
    /// # Errors
    /// [`MemoryError`] where there are none.
    fn map(&self, physical: u64, length: u64) -> Result<&'static dyn RegisterAccess, MemoryError>;
}

/// A write of a driver to a register, given to a hook of [`FakeMachine::on_write`](crate::FakeMachine::on_write).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RegisterWrite {
    /// Bytes from the start of the BAR.
    pub offset: u64,
    /// Width of the access in bytes: 1, 2, 4 or 8.
    pub bytes: u8,
    /// The value that the register holds.
    pub old: u64,
    /// The value that the driver writes.
    pub value: u64,
}

/// A read by a driver of a register, given to a hook of [`FakeMachine::on_read`](crate::FakeMachine::on_read).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RegisterRead {
    /// Bytes from the start of the BAR.
    pub offset: u64,
    /// Width of the access in bytes: 1, 2, 4 or 8.
    pub bytes: u8,
    /// The value that the register holds.
    pub value: u64,
}

type WriteHook = dyn Fn(RegisterWrite) -> u64 + Send + Sync;
type ReadHook = dyn Fn(RegisterRead) -> u64 + Send + Sync;

/// The registers of one BAR, as bytes. They read ones and ignore writes once their function is removed.
pub(super) struct Registers {
    bytes: IrqLock<Vec<u8>>,
    state: Arc<DeviceState>,
    on_write: IrqLock<Option<Arc<WriteHook>>>,
    on_read: IrqLock<Option<Arc<ReadHook>>>,
}

impl Registers {
    pub(super) fn new(length: usize, state: Arc<DeviceState>) -> Self {
        let (on_write, on_read) = (IrqLock::new(None), IrqLock::new(None));
        Self { bytes: IrqLock::new(vec![0; length]), state, on_write, on_read }
    }

    pub(super) fn length(&self) -> u64 {
        self.bytes.lock().len() as u64
    }

    pub(super) fn on_write(&self, hook: Arc<WriteHook>) {
        *self.on_write.lock() = Some(hook);
    }

    pub(super) fn on_read(&self, hook: Arc<ReadHook>) {
        *self.on_read.lock() = Some(hook);
    }

    /// Reads up to 8 bytes as the device has them. Returns `None` when they are not all in the BAR.
    pub(super) fn peek(&self, offset: u64, bytes: usize) -> Option<u64> {
        let start = usize::try_from(offset).ok()?;
        let all = self.bytes.lock();
        let value = all.get(start..start.checked_add(bytes)?)?;
        if self.state.is_gone() {
            return Some(u64::MAX);
        }
        Some(value.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    /// Writes up to 8 bytes as the device does. Returns `None` when they are not all in the BAR.
    pub(super) fn poke(&self, offset: u64, bytes: usize, value: u64) -> Option<()> {
        let start = usize::try_from(offset).ok()?;
        let mut all = self.bytes.lock();
        let place = all.get_mut(start..start.checked_add(bytes)?)?;
        if self.state.is_gone() {
            return Some(());
        }
        place.copy_from_slice(value.to_le_bytes().get(..bytes)?);
        Some(())
    }

    /// Serves a read of the driver.
    fn read(&self, offset: u64, bytes: u8) -> u64 {
        if !self.state.admit() {
            return u64::MAX;
        }
        self.state.before_access();
        let value = self.peek(offset, bytes.into()).unwrap_or(u64::MAX);
        // The hook runs without the lock: it may access registers itself.
        let hook = self.on_read.lock().clone();
        hook.map_or(value, |hook| hook(RegisterRead { offset, bytes, value }))
    }

    /// Serves a write of the driver.
    fn write(&self, offset: u64, bytes: u8, value: u64) {
        if !self.state.admit() {
            return;
        }
        self.state.before_access();
        let (hook, old) = (self.on_write.lock().clone(), self.peek(offset, bytes.into()));
        let value = match (hook, old) {
            (Some(hook), Some(old)) => hook(RegisterWrite { offset, bytes, old, value }),
            _ => value,
        };
        let _ = self.poke(offset, bytes.into(), value);
    }
}

impl fmt::Debug for Registers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registers").field("state", &self.state).finish_non_exhaustive()
    }
}

/// A part of a BAR's registers, mapped by the framework.
pub(super) struct MappedRegisters {
    registers: Arc<Registers>,
    start: u64,
}

impl MappedRegisters {
    pub(super) fn new(registers: Arc<Registers>, start: u64) -> Self {
        Self { registers, start }
    }
}

impl RegisterAccess for MappedRegisters {
    fn read(&self, offset: u64, bytes: u8) -> u64 {
        self.registers.read(self.start + offset, bytes)
    }

    fn write(&self, offset: u64, bytes: u8, value: u64) {
        self.registers.write(self.start + offset, bytes, value);
    }
}
