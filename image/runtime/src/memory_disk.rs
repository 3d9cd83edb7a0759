//! A disk in memory, for tests of code that uses disks.

use alloc::vec::Vec;
use core::cell::RefCell;
use core::task::{Context, Poll};

use switchboard_drivers::interfaces::block::{
    BlockDevice, BlockError, BlockRequest, Geometry, SECTOR_SIZE, Ticket, Transfer,
};

/// A disk in memory, whose requests complete at once.
///
/// ```
/// use switchboard_drivers::interfaces::block::BlockDevice;
/// use switchboard_runtime::disk::MemoryDisk;
///
/// let disk = MemoryDisk::new(&[7; 2048]);
/// let mut sector = [0; 512];
/// embassy_futures::block_on(disk.write(1, &[9; 512])).unwrap();
/// embassy_futures::block_on(disk.read(3, &mut sector)).unwrap();
/// assert_eq!(sector, [7; 512]);
/// embassy_futures::block_on(disk.read(1, &mut sector)).unwrap();
/// assert_eq!(sector, [9; 512]);
/// ```
#[derive(Debug)]
pub struct MemoryDisk {
    sectors: RefCell<Vec<u8>>,
    block_bytes: usize,
}

impl MemoryDisk {
    /// Makes a disk that holds `image`, whose length in bytes must be a multiple of 512.
    #[must_use]
    pub fn new(image: &[u8]) -> Self {
        Self::with_block_bytes(image, SECTOR_SIZE)
    }

    /// Makes a disk with logical blocks of `block_bytes`, a power of two from 512 on, which divides the length of `image`.
    ///
    /// ```
    /// use switchboard_drivers::interfaces::block::{BlockDevice, BlockError};
    /// use switchboard_runtime::disk::MemoryDisk;
    ///
    /// let disk = MemoryDisk::with_block_bytes(&[7; 8192], 4096);
    /// let mut sector = [0; 512];
    /// let error = embassy_futures::block_on(disk.read(1, &mut sector)).unwrap_err();
    /// assert_eq!(error, BlockError::NotBlocks { sector: 1, length: 512, block_bytes: 4096 });
    /// ```
    #[must_use]
    pub fn with_block_bytes(image: &[u8], block_bytes: usize) -> Self {
        Self { sectors: RefCell::new(image.to_vec()), block_bytes }
    }
}

impl BlockDevice for MemoryDisk {
    fn geometry(&self) -> Option<Geometry> {
        let capacity = (self.sectors.borrow().len() / SECTOR_SIZE) as u64;
        Some(Geometry {
            capacity,
            block_bytes: self.block_bytes,
            is_read_only: false,
            max_transfer_bytes: 2 * self.block_bytes,
            max_discard_bytes: 4 * self.block_bytes,
            max_write_zeroes_bytes: 4 * self.block_bytes,
        })
    }

    fn poll_request(&self, request: &mut BlockRequest<'_>, _context: &mut Context<'_>) -> Poll<Result<(), BlockError>> {
        let start = usize::try_from(request.sector).unwrap_or(usize::MAX).saturating_mul(SECTOR_SIZE);
        let place = start..start + request.length;
        match &mut request.transfer {
            Transfer::Read(take) => take(&self.sectors.borrow()[place]),
            Transfer::Write(data) => self.sectors.borrow_mut()[place].copy_from_slice(data),
            Transfer::Flush | Transfer::Discard => {}
            Transfer::WriteZeroes => self.sectors.borrow_mut()[place].fill(0),
        }
        Poll::Ready(Ok(()))
    }

    fn abandon(&self, _ticket: &mut Ticket) {}

    fn close(&self) {}
}
