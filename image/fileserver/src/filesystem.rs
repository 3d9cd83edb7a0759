//! What a file system implements: finding files, listing directories, and where the bytes of a file are.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use switchboard_drivers::interfaces::block::BlockError;
use switchboard_drivers::interfaces::share::ShareError;
use switchboard_runtime::system::LocalBoxFuture;

use crate::writer::FileSystemWriter;

/// An error of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileSystemError {
    /// The disk could not be read.
    #[error(transparent)]
    Disk(#[from] BlockError),
    /// Bytes past the end of the volume are referred to.
    #[error("byte {position} is past the end of the volume")]
    PastEnd {
        /// The position on the volume.
        position: u64,
    },
    /// The structures on the disk are invalid.
    #[error("{what}, at byte {position}")]
    Corrupt {
        /// What is wrong.
        what: &'static str,
        /// The position on the volume.
        position: u64,
    },
    /// The file uses a feature that is not implemented.
    #[error("{0} not supported")]
    Unsupported(&'static str),
    /// The device of a share failed or was removed.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// The server of a share refused, with an error number of Linux.
    #[error("the server of the share refused with error {code}")]
    Server {
        /// The number, for example 13 (EACCES).
        code: u32,
    },
    /// The server of a share violated its protocol.
    #[error("{0}")]
    Protocol(&'static str),
    /// There is no memory for the operation.
    #[error("there is no memory for it")]
    NoMemory,
    /// Nothing is at the path, or a directory on the way to it is missing.
    #[error("no such file or directory")]
    NotFound,
    /// Something is at the path already.
    #[error("there is a file or directory of that name")]
    Exists,
    /// A file is where a directory is wanted.
    #[error("it is no directory")]
    NotDirectory,
    /// A directory is where a file is wanted.
    #[error("it is a directory")]
    IsDirectory,
    /// A directory that is not empty cannot be removed or replaced.
    #[error("the directory is not empty")]
    NotEmpty,
    /// The volume is full.
    #[error("the volume is full")]
    Full,
    /// The file would be longer than the file system permits.
    #[error("the file would be too long")]
    TooLong,
    /// The file system does not permit the name.
    #[error("the name is not permitted")]
    Name,
    /// The volume cannot be written.
    #[error("the volume is read-only")]
    ReadOnly,
    /// The file was removed, or replaced, while it was being read.
    #[error("the file was changed while it was read")]
    Changed,
}

impl FileSystemError {
    pub(crate) const fn gone(sector: u64) -> Self {
        Self::Disk(BlockError::Gone { sector })
    }

    /// Returns whether the device was removed, which is no error of it.
    pub(crate) const fn is_gone(&self) -> bool {
        matches!(self, Self::Disk(BlockError::Gone { .. }) | Self::Share(ShareError::Gone))
    }
}

/// A file as its file system found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct File {
    /// The number of the file in its file system, for [`FileSystem::locate`]. Equal numbers are the same file.
    pub id: u64,
    /// The length in bytes.
    pub size: u64,
    /// The time of the last change, in seconds since 1970; `None` if it is not known.
    pub modified: Option<u64>,
}

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Node {
    /// A file.
    File(File),
    /// A directory.
    Directory,
}

/// A run of a file's bytes that are together on the volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// They are on the volume.
    Stored {
        /// The first byte on the volume.
        position: u64,
        /// The number of bytes.
        length: u64,
    },
    /// The file system reads them itself, by [`FileSystem::read`].
    Served {
        /// The number of bytes.
        length: u64,
    },
    /// They are zeros, which are not stored.
    Zeros {
        /// The number of bytes.
        length: u64,
    },
}

impl Run {
    /// Returns the number of bytes.
    #[must_use]
    pub const fn length(&self) -> u64 {
        match self {
            Self::Stored { length, .. } | Self::Served { length } | Self::Zeros { length } => *length,
        }
    }
}

/// An entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListEntry {
    /// The name, without a slash.
    pub name: String,
    /// What it is.
    pub node: Node,
}

/// A part of the content of a directory.
#[derive(Debug, Default)]
pub struct ListPage {
    /// Some entries.
    pub entries: Vec<ListEntry>,
    /// The position of the next page; `None` at the end.
    pub next: Option<u64>,
}

/// A file system, on a volume or a share, as far as it is read; one that can be written has a [`writer`](Self::writer).
///
/// Paths have no slash at the begin or end; the root is the empty path. The futures never block: they wait for the disk.
///
/// ```
/// use embassy_futures::block_on;
/// use switchboard_fileserver::{File, FileSystem, FileSystemError, ListEntry, ListPage, Node, Run};
/// use switchboard_runtime::system::LocalBoxFuture;
///
/// /// One file of zeros.
/// #[derive(Debug)]
/// struct Zeros;
///
/// const ZERO: File = File { id: 0, size: 1 << 20, modified: None };
///
/// impl FileSystem for Zeros {
///     fn kind(&self) -> &'static str {
///         "zeros"
///     }
///
///     fn open<'a>(&'a self, path: &'a str) -> LocalBoxFuture<'a, Result<Option<Node>, FileSystemError>> {
///         let node = match path {
///             "" => Some(Node::Directory),
///             "zero" => Some(Node::File(ZERO)),
///             _ => None,
///         };
///         Box::pin(async move { Ok(node) })
///     }
///
///     fn list<'a>(&'a self, _: &'a str, _: u64) -> LocalBoxFuture<'a, Result<ListPage, FileSystemError>> {
///         let entries = vec![ListEntry { name: "zero".into(), node: Node::File(ZERO) }];
///         Box::pin(async move { Ok(ListPage { entries, next: None }) })
///     }
///
///     fn locate(&self, file: File, offset: u64) -> LocalBoxFuture<'_, Result<Run, FileSystemError>> {
///         Box::pin(async move { Ok(Run::Zeros { length: file.size - offset }) })
///     }
/// }
///
/// assert_eq!(block_on(Zeros.open("zero")), Ok(Some(Node::File(ZERO))));
/// assert_eq!(block_on(Zeros.locate(ZERO, 24)).unwrap().length(), (1 << 20) - 24);
/// ```
pub trait FileSystem: core::fmt::Debug {
    /// Returns its name, as "ext4".
    fn kind(&self) -> &'static str;

    /// Returns the label that its maker gave it; empty for none.
    fn label(&self) -> &str {
        ""
    }

    /// Returns the number of files, if it is known.
    fn file_count(&self) -> Option<usize> {
        None
    }

    /// Returns what a path leads to, symbolic links followed; `None` for nothing.
    fn open<'a>(&'a self, path: &'a str) -> LocalBoxFuture<'a, Result<Option<Node>, FileSystemError>>;

    /// Returns a page of the entries of a directory, from `position` on: 0, or what the page before has as `next`. An empty
    /// page for what is no directory.
    fn list<'a>(&'a self, path: &'a str, position: u64) -> LocalBoxFuture<'a, Result<ListPage, FileSystemError>>;

    /// Returns where the bytes of a file from `offset` on are: at least one, if `offset` is within the file.
    fn locate(&self, file: File, offset: u64) -> LocalBoxFuture<'_, Result<Run, FileSystemError>>;

    /// Reads at most `max_bytes` of a file from `offset` on, passes them to `take`, and returns their number; 0 at the end.
    /// Only for a file with runs that are [`Run::Served`].
    fn read<'a>(
        &'a self,
        _file: File,
        _offset: u64,
        _max_bytes: usize,
        _take: &'a mut dyn FnMut(&[u8]),
    ) -> LocalBoxFuture<'a, Result<u64, FileSystemError>> {
        ready(Err(FileSystemError::Unsupported("reading without a disk is")))
    }

    /// Returns the side of the file system that writes; `None`, the default, where there is none.
    fn writer(&self) -> Option<&dyn FileSystemWriter> {
        None
    }
}

/// Returns a future that is ready.
pub(crate) fn ready<'a, T: 'a>(value: T) -> LocalBoxFuture<'a, T> {
    Box::pin(core::future::ready(value))
}

/// The most symbolic links that are followed for one path, as on Linux.
pub(crate) const MAX_LINKS: usize = 40;
/// The most bytes of a path, links included.
pub(crate) const MAX_PATH_BYTES: usize = 4096;
/// The most entries of a page of a list.
pub(crate) const PAGE_ENTRIES: usize = 64;
