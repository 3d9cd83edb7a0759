//! The registers of one BAR.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use switchboard::platform::RegisterAccess;
use switchboard::sync::IrqLock;

use super::device_state::DeviceState;

/// The registers of one BAR, as bytes. They read ones and ignore writes once their function is gone.
#[derive(Debug)]
pub(super) struct Registers {
    bytes: IrqLock<Vec<u8>>,
    state: Arc<DeviceState>,
}

impl Registers {
    pub(super) fn new(length: usize, state: Arc<DeviceState>) -> Self {
        Self { bytes: IrqLock::new(vec![0; length]), state }
    }

    pub(super) fn length(&self) -> u64 {
        self.bytes.lock().len() as u64
    }

    /// Reads up to 8 bytes as the device has them; `None` when they are not all in the BAR.
    pub(super) fn peek(&self, offset: u64, bytes: usize) -> Option<u64> {
        let start = usize::try_from(offset).ok()?;
        let all = self.bytes.lock();
        let value = all.get(start..start.checked_add(bytes)?)?;
        if self.state.is_gone() {
            return Some(u64::MAX);
        }
        Some(value.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    /// Writes up to 8 bytes as the device does; `None` when they are not all in the BAR.
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
}

/// A part of the registers, which the framework has mapped.
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
        if !self.registers.state.admit() {
            return u64::MAX;
        }
        self.registers.state.act();
        self.registers.peek(self.start + offset, bytes.into()).unwrap_or(u64::MAX)
    }

    fn write(&self, offset: u64, bytes: u8, value: u64) {
        if self.registers.state.admit() {
            self.registers.state.act();
            let _ = self.registers.poke(self.start + offset, bytes.into(), value);
        }
    }
}
