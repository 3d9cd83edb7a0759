//! The volume that `root=` names, which is written.

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

use switchboard_runtime::command_line::RootName;

use crate::filesystem::{FileSystemError, Node};
use crate::mounted::Mounted;
use crate::reader::FileReader;
use crate::volume::fallible_buffer;
use crate::writer::FileSystemWriter;

/// The reason why no volume can be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RootError {
    /// The command line names none.
    #[error("no volume is written: the command line has no root=")]
    NotNamed,
    /// The disk, partition or share is not there.
    #[error("root={name}: there is no such volume; there are {present}")]
    NoVolume {
        /// The volume of the command line.
        name: RootName<'static>,
        /// The volumes that are there.
        present: String,
    },
    /// The volume has no file system that is known.
    #[error("root={name}: no file system that is known is on it")]
    UnknownFileSystem {
        /// The volume of the command line.
        name: RootName<'static>,
    },
    /// The file system is one that is only read.
    #[error("{kind} is only read: a volume with FAT, or a share, can be written")]
    NotWritable {
        /// The kind of the file system.
        kind: &'static str,
    },
    /// The disk refuses writes.
    #[error("the disk is read-only")]
    ReadOnlyDisk,
    /// A loss of power, or something else, has left errors with which writing would do harm.
    #[error("the file system has errors ({what}: {path}), and is only read until fsck.fat has repaired it")]
    Dirty {
        /// An error.
        what: &'static str,
        /// The path of a file that it concerns; empty for none.
        path: String,
    },
    /// The volume could not be read.
    #[error("{error}")]
    FileSystem {
        /// The error.
        error: FileSystemError,
    },
    /// The image has no code that writes.
    #[error("the image is made without the feature `write`")]
    NotBuilt,
}

/// The files of the volume that `root=` names, for an app to read and write.
///
/// It is a handle, of which there may be any number. Changes are those of [`FileSystemWriter`]. When the disk is removed, all of them
/// fail.
///
/// ```no_run
/// use switchboard_fileserver::FileServer;
/// use switchboard_runtime::system::{Outcome, System};
///
/// /// Counts the starts of the machine.
/// async fn run(system: System) -> Outcome {
///     let files = FileServer::open("/files", &system).await.root().await?;
///     let text = files.read("starts", 20).await.unwrap_or_default();
///     let starts: u64 = String::from_utf8_lossy(&text).parse().unwrap_or(0);
///     files.replace("starts", (starts + 1).to_string().as_bytes()).await?;
///     Ok(())
/// }
/// ```
#[derive(Debug, Clone)]
pub struct RootFiles(Rc<Mounted>);

impl RootFiles {
    /// Returns the handle, if the file system can be written.
    #[cfg(feature = "root")]
    pub(crate) fn new(mounted: Rc<Mounted>) -> Option<Self> {
        mounted.file_system.writer()?;
        Some(Self(mounted))
    }

    #[cfg(feature = "root")]
    pub(crate) const fn mounted(&self) -> &Rc<Mounted> {
        &self.0
    }

    /// Returns the side that writes.
    ///
    /// # Panics
    /// Never: it was there when the handle was made.
    #[must_use]
    pub fn writer(&self) -> &dyn FileSystemWriter {
        self.0.file_system.writer().expect("a file system stays as it is")
    }

    /// Reads a file of at most `max_bytes`.
    ///
    /// # Errors
    /// [`FileSystemError::NotFound`], [`FileSystemError::IsDirectory`], [`FileSystemError::TooLong`], and those of the disk.
    pub async fn read(&self, path: &str, max_bytes: usize) -> Result<Vec<u8>, FileSystemError> {
        let file = match self.0.file_system.open(path).await? {
            Some(Node::File(file)) => file,
            Some(Node::Directory) => return Err(FileSystemError::IsDirectory),
            None => return Err(FileSystemError::NotFound),
        };
        let size = usize::try_from(file.size).ok().filter(|size| *size <= max_bytes);
        let mut content = Vec::new();
        content.try_reserve_exact(size.ok_or(FileSystemError::TooLong)?).map_err(|_| FileSystemError::NoMemory)?;
        // A disk is read by whole blocks.
        let mut buffer = fallible_buffer(READ_BYTES)?;
        let mut reader = FileReader::new(self.0.clone(), file, 0..file.size);
        reader.read_all(&mut buffer, |part| content.extend_from_slice(part)).await?;
        Ok(content)
    }

    /// Gives a file other content, so that a loss of power leaves it as it was, or as it is meant to be. It is durable afterwards.
    ///
    /// # Errors
    /// Those of [`FileSystemWriter`].
    #[cfg(feature = "root")]
    pub async fn replace(&self, path: &str, content: &[u8]) -> Result<(), FileSystemError> {
        let partial = crate::upload::Partial::create(self).await?;
        self.writer().append(partial.path(), content).await?;
        partial.publish(path).await.map(|_| ())
    }
}

/// Bytes that are read at a time.
const READ_BYTES: usize = 16 * 1024;
