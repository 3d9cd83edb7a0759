//! The errors of block devices.

/// The error of a request to a block device. It names the first sector of the request.
///
/// ```
/// use switchboard_drivers::interfaces::block::BlockError;
///
/// let error = BlockError::PastEnd { sector: 2047, sectors: 2, capacity: 2048 };
/// assert_eq!(error.to_string(), "2 sectors at 2047 reach past the end of a disk of 2048");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlockError {
    /// The buffer is empty, or not a whole number of sectors.
    #[error("{length} bytes at sector {sector} are not whole sectors of 512")]
    NotSectors {
        /// First sector of the request.
        sector: u64,
        /// Bytes in the buffer.
        length: usize,
    },
    /// The request is not a whole number of the disk's logical blocks.
    #[error("{length} bytes at sector {sector} are not whole blocks of {block_bytes}")]
    NotBlocks {
        /// First sector of the request.
        sector: u64,
        /// Bytes in the buffer.
        length: usize,
        /// Bytes in a logical block.
        block_bytes: usize,
    },
    /// The request reaches past the end of the disk.
    #[error("{sectors} sectors at {sector} reach past the end of a disk of {capacity}")]
    PastEnd {
        /// First sector of the request.
        sector: u64,
        /// Sectors requested.
        sectors: u64,
        /// Sectors of the disk.
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
    /// The device has not finished the request within the driver's time limit.
    #[error("the device does not finish a request at sector {sector} in time")]
    TimedOut {
        /// First sector of the request.
        sector: u64,
    },
    /// The device does not implement the request.
    #[error("the device does not support the request at sector {sector}")]
    Unsupported {
        /// First sector of the request.
        sector: u64,
    },
    /// There is no DMA memory for the data.
    #[error("no memory for a request at sector {sector}")]
    NoMemory {
        /// First sector of the request.
        sector: u64,
    },
    /// The device was removed from the machine, or the disk was closed.
    #[error("the device is gone (request at sector {sector})")]
    Gone {
        /// First sector of the request.
        sector: u64,
    },
    /// The device violated its specification and was quarantined: it takes no more requests.
    #[error("the device misbehaved and was quarantined (request at sector {sector})")]
    Quarantined {
        /// First sector of the request.
        sector: u64,
    },
}
