//! The face of a block device: sectors in, sectors out, errors that name the sector.

use core::future::Future;

/// Bytes in a sector, the unit of every position here (virtio 1.2, 5.2: always 512).
pub const SECTOR_SIZE: usize = 512;

/// A disk. All methods take `&self`: any number of tasks may have requests under way.
pub trait BlockDevice {
    /// Sectors on the disk.
    fn capacity(&self) -> u64;

    /// Whether the device refuses writes.
    fn is_read_only(&self) -> bool;

    /// Allows polling: once a request is done, for so many nanoseconds for the next, by the tasks that wait, while that is
    /// faster than interrupts. With 0, as it is at first, never.
    fn poll_for(&self, nanoseconds: u64);

    /// Reads whole sectors into `buffer`, from `sector` on.
    ///
    /// # Errors
    /// [`BlockError`], naming the first sector of the request; for an error of the device, of the part that failed,
    /// since a large request is cut into several.
    fn read(&self, sector: u64, buffer: &mut [u8]) -> impl Future<Output = Result<(), BlockError>>;

    /// Reads `length` bytes, whole sectors, from `sector` on, and hands them to `take` where the device has put them: in
    /// order, in one piece or several.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn read_in_place(
        &self,
        sector: u64,
        length: usize,
        take: impl FnMut(&[u8]),
    ) -> impl Future<Output = Result<(), BlockError>>;

    /// Writes whole sectors.
    ///
    /// # Errors
    /// [`BlockError`], naming the first sector of the request; for an error of the device, of the part that failed,
    /// since a large request is cut into several.
    fn write(&self, sector: u64, buffer: &[u8]) -> impl Future<Output = Result<(), BlockError>>;

    /// Makes what was written durable.
    ///
    /// # Errors
    /// [`BlockError::Io`] when the device could not.
    fn flush(&self) -> impl Future<Output = Result<(), BlockError>>;
}

/// Why a request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlockError {
    /// The buffer is not a whole number of sectors, or empty.
    #[error("{length} bytes at sector {sector} are not whole sectors of 512")]
    NotSectors {
        /// First sector of the request.
        sector: u64,
        /// Bytes in the buffer.
        length: usize,
    },
    /// The request reaches past the end of the disk.
    #[error("{sectors} sectors at {sector} reach past the end of a disk of {capacity}")]
    PastEnd {
        /// First sector of the request.
        sector: u64,
        /// Sectors wanted.
        sectors: u64,
        /// Sectors there are.
        capacity: u64,
    },
    /// The disk is read-only.
    #[error("sector {sector} cannot be written: the disk is read-only")]
    ReadOnly {
        /// First sector of the request.
        sector: u64,
    },
    /// The device reported an error.
    #[error("the device reported an I/O error at sector {sector}")]
    Io {
        /// First sector of the request.
        sector: u64,
    },
    /// The device does not know the request.
    #[error("the device does not support the request at sector {sector}")]
    Unsupported {
        /// First sector of the request.
        sector: u64,
    },
    /// There is no memory to bring the data to.
    #[error("no memory for a request at sector {sector}")]
    NoMemory {
        /// First sector of the request.
        sector: u64,
    },
    /// The device was taken out of the machine; nothing can be asked of it any more.
    #[error("the device is gone (request at sector {sector})")]
    Gone {
        /// First sector of the request.
        sector: u64,
    },
    /// The device broke its own rules and was set aside; nothing more will be asked of it.
    #[error("the device misbehaved and was set aside (request at sector {sector})")]
    Quarantined {
        /// First sector of the request.
        sector: u64,
    },
}
