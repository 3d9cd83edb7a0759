//! The DMA engine of edu: copies between memory and a buffer inside the device.

use switchboard::dma::BusAddress;
use switchboard::mmio::{AddressReg, Bar, Reg, WriteOnly};

use super::{Edu, EduError, Registers};

const SOURCE: AddressReg<Registers> = AddressReg::at(0x80);
const DESTINATION: AddressReg<Registers> = AddressReg::at(0x88);
/// The same registers, for the end of a copy that is an offset in the device.
const SOURCE_INSIDE: Reg<Registers, u64, WriteOnly> = Reg::at(0x80);
const DESTINATION_INSIDE: Reg<Registers, u64, WriteOnly> = Reg::at(0x88);
const COUNT: Reg<Registers, u64> = Reg::at(0x90);
const COMMAND: Reg<Registers, u64> = Reg::at(0x98);

const START: u64 = 1;
const TO_MEMORY: u64 = 2;
const INTERRUPT: u64 = 4;

/// The address of the device's buffer in the address space of its DMA engine.
const BUFFER: u64 = 0x40000;

/// The bytes of the device's buffer that can be copied. The buffer has 4,096, but QEMU 7.2 aborts ("DMA range out of bounds") on
/// a copy that includes the last one: it takes the exclusive end of a range for an address within it.
pub const BUFFER_SIZE: usize = 4095;

/// An address in the device's buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct DeviceAddress(u64);

/// One copy, with its direction.
enum Copy {
    ToDevice { from: BusAddress, to: DeviceAddress },
    ToMemory { from: DeviceAddress, to: BusAddress },
}

impl Edu {
    /// Copies `bytes` to `offset` in the device's buffer.
    ///
    /// # Errors
    /// [`EduError::OutsideBuffer`], [`EduError::Gone`].
    pub async fn write_buffer(&mut self, offset: usize, bytes: &[u8]) -> Result<(), EduError> {
        let address = device_address(offset, bytes.len())?;
        // A copy whose future was dropped may still read from the buffer in memory.
        self.until_copied().await?;
        self.buffer[..bytes.len()].copy_from_slice(bytes);
        self.copy(Copy::ToDevice { from: self.buffer.bus(), to: address }, bytes.len()).await
    }

    /// Fills `bytes` from `offset` in the device's buffer.
    ///
    /// # Errors
    /// [`EduError::OutsideBuffer`], [`EduError::Gone`].
    pub async fn read_buffer(&mut self, offset: usize, bytes: &mut [u8]) -> Result<(), EduError> {
        let address = device_address(offset, bytes.len())?;
        self.until_copied().await?;
        self.copy(Copy::ToMemory { from: address, to: self.buffer.bus() }, bytes.len()).await?;
        bytes.copy_from_slice(&self.buffer[..bytes.len()]);
        Ok(())
    }

    async fn copy(&mut self, copy: Copy, count: usize) -> Result<(), EduError> {
        let registers = &self.shared.registers;
        let direction = match copy {
            Copy::ToDevice { from, to: DeviceAddress(to) } => {
                registers.write_address(&SOURCE, from);
                registers.write(&DESTINATION_INSIDE, to);
                0
            }
            Copy::ToMemory { from: DeviceAddress(from), to } => {
                registers.write(&SOURCE_INSIDE, from);
                registers.write_address(&DESTINATION, to);
                TO_MEMORY
            }
        };
        registers.write(&COUNT, count as u64);
        registers.write(&COMMAND, START | INTERRUPT | direction);
        self.until_copied().await
    }

    async fn until_copied(&mut self) -> Result<(), EduError> {
        loop {
            match self.shared.registers.read(&COMMAND) {
                u64::MAX => return Err(self.shared.gone()),
                command if command & START == 0 => return Ok(()),
                _ => self.done.wait().await,
            }
        }
    }
}

/// Returns whether a copy is being made.
pub(super) fn is_copying(registers: &Bar<Registers>) -> bool {
    registers.read(&COMMAND) & START != 0
}

/// Returns the device address of `length` bytes at `offset` in the device's buffer.
fn device_address(offset: usize, length: usize) -> Result<DeviceAddress, EduError> {
    let fits = length > 0 && offset.checked_add(length).is_some_and(|end| end <= BUFFER_SIZE);
    fits.then(|| DeviceAddress(BUFFER + offset as u64)).ok_or(EduError::OutsideBuffer { offset, length })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_outside_the_buffer_are_refused() {
        assert_eq!(device_address(0, BUFFER_SIZE), Ok(DeviceAddress(0x40000)));
        assert_eq!(device_address(BUFFER_SIZE - 1, 1), Ok(DeviceAddress(0x40ffe)));
        for (offset, length) in [(0, 0), (1, BUFFER_SIZE), (BUFFER_SIZE, 1), (usize::MAX, 2), (usize::MAX, usize::MAX)]
        {
            assert_eq!(device_address(offset, length), Err(EduError::OutsideBuffer { offset, length }));
        }
    }
}
