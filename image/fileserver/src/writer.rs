//! What a file system implements that can be written.

use switchboard_runtime::system::LocalBoxFuture;

use crate::filesystem::{FileSystem, FileSystemError};

/// The future of a change of a file system.
pub type Change<'a> = LocalBoxFuture<'a, Result<(), FileSystemError>>;

/// The side of a file system that writes. It is object-safe, and has no open files: each method takes a path, without a slash at its
/// begin or end.
///
/// A change is on the disk when its future is ready, in the order in which changes were made, but survives a loss of power only after
/// [`sync`](Self::sync). A future that is dropped may leave a part of its change.
///
/// [`Fat`](crate::Fat) volumes that `root=` names implement it, and shares of the host. An app gets it as
/// [`RootFiles`](crate::RootFiles).
pub trait FileSystemWriter: FileSystem {
    /// Creates an empty file.
    ///
    /// # Errors
    /// [`FileSystemError::Exists`], [`FileSystemError::NotFound`] without its directory, [`FileSystemError::Full`], and those of the
    /// disk.
    fn create<'a>(&'a self, path: &'a str) -> Change<'a>;

    /// Writes bytes at `offset` of a file, which grows if they reach past its end. A gap is filled with zeros.
    ///
    /// # Errors
    /// [`FileSystemError::NotFound`], [`FileSystemError::IsDirectory`], [`FileSystemError::Full`], and those of the disk.
    fn write<'a>(&'a self, path: &'a str, offset: u64, data: &'a [u8]) -> Change<'a>;

    /// Writes bytes at the end of a file.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    fn append<'a>(&'a self, path: &'a str, data: &'a [u8]) -> Change<'a>;

    /// Makes a file shorter, or longer by zeros.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    fn truncate<'a>(&'a self, path: &'a str, size: u64) -> Change<'a>;

    /// Gives a file or directory another path. A file, or an empty directory, that is there is replaced by one of its kind.
    ///
    /// # Errors
    /// [`FileSystemError::NotFound`], [`FileSystemError::NotEmpty`], and those of the disk.
    fn rename<'a>(&'a self, from: &'a str, to: &'a str) -> Change<'a>;

    /// Removes a file or an empty directory.
    ///
    /// # Errors
    /// [`FileSystemError::NotFound`], [`FileSystemError::NotEmpty`], and those of the disk.
    fn remove<'a>(&'a self, path: &'a str) -> Change<'a>;

    /// Creates a directory.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    fn create_directory<'a>(&'a self, path: &'a str) -> Change<'a>;

    /// Makes all changes before it durable: they are on the medium of the disk afterwards.
    ///
    /// # Errors
    /// Those of the disk.
    fn sync(&self) -> Change<'_>;
}
