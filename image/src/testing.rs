//! What the library's own tests stand on.

use alloc::vec::Vec;
use core::cell::RefCell;

use switchboard_drivers::block::{BlockDevice, BlockError, SECTOR_SIZE};

/// A disk in memory.
pub(crate) struct MemoryDisk {
    sectors: RefCell<Vec<u8>>,
}

impl MemoryDisk {
    pub(crate) fn new(image: &[u8]) -> Self {
        Self { sectors: RefCell::new(image.to_vec()) }
    }

    fn place(&self, sector: u64, length: usize) -> Result<core::ops::Range<usize>, BlockError> {
        if length == 0 || !length.is_multiple_of(SECTOR_SIZE) {
            return Err(BlockError::NotSectors { sector, length });
        }
        let sectors = (length / SECTOR_SIZE) as u64;
        if sector.checked_add(sectors).is_none_or(|end| end > self.capacity()) {
            return Err(BlockError::PastEnd { sector, sectors, capacity: self.capacity() });
        }
        let start = usize::try_from(sector).unwrap() * SECTOR_SIZE;
        Ok(start..start + length)
    }
}

impl BlockDevice for MemoryDisk {
    fn capacity(&self) -> u64 {
        (self.sectors.borrow().len() / SECTOR_SIZE) as u64
    }

    fn poll_for(&self, _nanoseconds: u64) {}

    fn is_read_only(&self) -> bool {
        false
    }

    async fn read(&self, sector: u64, buffer: &mut [u8]) -> Result<(), BlockError> {
        let place = self.place(sector, buffer.len())?;
        buffer.copy_from_slice(&self.sectors.borrow()[place]);
        Ok(())
    }

    async fn read_in_place(&self, sector: u64, length: usize, mut take: impl FnMut(&[u8])) -> Result<(), BlockError> {
        take(&self.sectors.borrow()[self.place(sector, length)?]);
        Ok(())
    }

    async fn write(&self, sector: u64, buffer: &[u8]) -> Result<(), BlockError> {
        let place = self.place(sector, buffer.len())?;
        self.sectors.borrow_mut()[place].copy_from_slice(buffer);
        Ok(())
    }

    async fn flush(&self) -> Result<(), BlockError> {
        Ok(())
    }
}
