//! Errors of reading an archive's headers.

use crate::filesystem::FileSystemError;

/// The error that ended the scan of an archive early. The members before it are indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// The disk could not be read.
    #[error(transparent)]
    Disk(#[from] FileSystemError),
    /// A block is not a valid tar header.
    #[error("malformed tar header at sector {sector}: {defect}")]
    Malformed {
        /// The sector of the volume with the header.
        sector: u64,
        /// What is wrong with it.
        defect: HeaderDefect,
    },
    /// A member, or a header, extends past the end of the volume: the archive is truncated.
    #[error("the archive reaches past the end of the disk at sector {sector}")]
    PastEnd {
        /// The sector of its header.
        sector: u64,
    },
    /// There is no memory for an index of more members.
    #[error("the memory for the index is used up, the members from sector {sector} on are left out")]
    TooMany {
        /// The sector of the first header that is not indexed.
        sector: u64,
    },
}

/// The defect of a malformed tar header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderDefect {
    /// The checksum is wrong: it is not a header.
    #[error("its checksum is wrong")]
    Checksum,
    /// The size is malformed, negative, or too large for any disk.
    #[error("its size is not a number that fits")]
    Size,
    /// A long name or a pax header is larger than is read.
    #[error("its metadata is too long")]
    MetadataTooLong,
    /// A pax header is malformed.
    #[error("its pax header is malformed")]
    Pax,
    /// The map of a sparse file is larger than is read.
    #[error("its sparse map is too long")]
    SparseMap,
}
