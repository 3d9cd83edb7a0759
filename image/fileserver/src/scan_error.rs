//! Errors of reading an archive's headers.

use core::fmt;

use switchboard_drivers::interfaces::block::BlockError;
use tar_core::parse::ParseError;

/// The error that ended the scan of an archive early. The files before it are indexed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// The disk could not be read.
    #[error(transparent)]
    Disk(#[from] BlockError),
    /// A sector is not a valid tar header.
    #[error("malformed tar header at sector {sector}: {error}")]
    Malformed {
        /// The first sector of the header.
        sector: u64,
        /// What is wrong with it.
        error: HeaderError,
    },
    /// A file, or a header, extends past the end of the disk.
    #[error("the archive reaches past the end of the disk at sector {sector}")]
    PastEnd {
        /// The first sector of its header.
        sector: u64,
    },
    /// There are more files than are indexed.
    #[error("the archive has more than {max_files} files, those from sector {sector} on are left out")]
    TooManyFiles {
        /// The first sector of the first header that is not indexed.
        sector: u64,
        /// The maximum number of files.
        max_files: usize,
    },
}

/// The defect of a malformed tar header. Displays as a sentence.
#[derive(Debug)]
pub struct HeaderError(pub(super) ParseError);

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::error::Error for HeaderError {}
