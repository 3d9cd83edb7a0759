//! edu's DMA engine: copies between memory and a buffer inside the device.

use switchboard::dma::BusAddress;
use switchboard::mmio::{AddressReg, Reg, WriteOnly};

use super::{Edu, EduError, Registers};

const SOURCE: AddressReg<Registers> = AddressReg::at(0x80);
const DESTINATION: AddressReg<Registers> = AddressReg::at(0x88);
/// The side of a copy that is not memory is a place in the device, in the same registers.
const SOURCE_INSIDE: Reg<Registers, u64, WriteOnly> = Reg::at(0x80);
const DESTINATION_INSIDE: Reg<Registers, u64, WriteOnly> = Reg::at(0x88);
const COUNT: Reg<Registers, u64> = Reg::at(0x90);
const COMMAND: Reg<Registers, u64> = Reg::at(0x98);

const START: u64 = 1;
const TO_MEMORY: u64 = 2;
const INTERRUPT: u64 = 4;

/// Where the device's buffer is, for its DMA engine.
const BUFFER: u64 = 0x40000;

/// Bytes of the device's buffer that can be copied. It has 4,096, but a copy that touches the last one makes QEMU 7.2
/// abort ("DMA range out of bounds"): it takes the end of a range for a byte of it.
pub const BUFFER_SIZE: usize = 4095;

/// A place in the device's buffer, for its DMA engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Inside(u64);

/// What the DMA engine is to do.
enum Copy {
    ToDevice { from: BusAddress, to: Inside },
    ToMemory { from: Inside, to: BusAddress },
}

impl Edu {
    /// Copies `bytes` to `offset` of the device's buffer.
    ///
    /// # Errors
    /// [`EduError::OutOfBuffer`], [`EduError::Gone`].
    pub async fn write_buffer(&mut self, offset: usize, bytes: &[u8]) -> Result<(), EduError> {
        let inside = place(offset, bytes.len())?;
        // A copy that was given up may still read from our buffer.
        self.until_copied().await?;
        self.buffer[..bytes.len()].copy_from_slice(bytes);
        self.copy(Copy::ToDevice { from: self.buffer.bus(), to: inside }, bytes.len()).await
    }

    /// Fills `bytes` from `offset` of the device's buffer.
    ///
    /// # Errors
    /// [`EduError::OutOfBuffer`], [`EduError::Gone`].
    pub async fn read_buffer(&mut self, offset: usize, bytes: &mut [u8]) -> Result<(), EduError> {
        let inside = place(offset, bytes.len())?;
        self.until_copied().await?;
        self.copy(Copy::ToMemory { from: inside, to: self.buffer.bus() }, bytes.len()).await?;
        bytes.copy_from_slice(&self.buffer[..bytes.len()]);
        Ok(())
    }

    async fn copy(&mut self, copy: Copy, count: usize) -> Result<(), EduError> {
        let registers = &self.shared.registers;
        let direction = match copy {
            Copy::ToDevice { from, to: Inside(to) } => {
                registers.write_address(&SOURCE, from);
                registers.write(&DESTINATION_INSIDE, to);
                0
            }
            Copy::ToMemory { from: Inside(from), to } => {
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

/// Where `length` bytes at `offset` of the device's buffer are for its DMA engine.
fn place(offset: usize, length: usize) -> Result<Inside, EduError> {
    let fits = length > 0 && offset.checked_add(length).is_some_and(|end| end <= BUFFER_SIZE);
    fits.then(|| Inside(BUFFER + offset as u64)).ok_or(EduError::OutOfBuffer { offset, length })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_lie_inside_the_buffer() {
        assert_eq!(place(0, BUFFER_SIZE), Ok(Inside(0x40000)));
        assert_eq!(place(BUFFER_SIZE - 1, 1), Ok(Inside(0x40ffe)));
        for (offset, length) in [(0, 0), (1, BUFFER_SIZE), (BUFFER_SIZE, 1), (usize::MAX, 2), (usize::MAX, usize::MAX)]
        {
            assert_eq!(place(offset, length), Err(EduError::OutOfBuffer { offset, length }));
        }
    }
}
