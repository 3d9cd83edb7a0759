//! The changes of a FAT file system.

use alloc::boxed::Box;

use hadris_fs::{FileType, Name, NodeId, RenameMode, Resolve, SetAttr};
use hadris_io::{Error, ErrorKind, Location};
use switchboard_drivers::interfaces::block::BlockError;

use super::{Changing, WritableFat};
use crate::filesystem::FileSystemError;
use crate::writer::{Change, FileSystemWriter};

/// The longest file.
const MAX_FILE_BYTES: u64 = u32::MAX as u64;

/// Returns the error of this crate for one of `hadris-fat`.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub(super) fn error(error: Error<BlockError>) -> FileSystemError {
    if let Some(disk) = error.device_error() {
        return FileSystemError::Disk(*disk);
    }
    let position = match error.location() {
        Some(Location::Byte(position) | Location::Block(position)) => position,
        _ => 0,
    };
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::InvalidHandle => FileSystemError::NotFound,
        ErrorKind::AlreadyExists => FileSystemError::Exists,
        ErrorKind::NotADirectory => FileSystemError::NotDirectory,
        ErrorKind::IsADirectory => FileSystemError::IsDirectory,
        ErrorKind::DirectoryNotEmpty => FileSystemError::NotEmpty,
        ErrorKind::NoSpace => FileSystemError::Full,
        ErrorKind::ReadOnly => FileSystemError::ReadOnly,
        ErrorKind::InvalidInput | ErrorKind::NameTooLong => FileSystemError::Name,
        ErrorKind::FileTooLarge => FileSystemError::TooLong,
        ErrorKind::Corrupt | ErrorKind::NotRecognized => FileSystemError::Corrupt { what: error.message(), position },
        _ => FileSystemError::Unsupported(error.message()),
    }
}

/// Returns the directory and the name of a path.
fn split(path: &str) -> Result<(&str, &Name), FileSystemError> {
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    match path.split('/').all(|component| !matches!(component, "" | "." | "..")) {
        true => Ok((directory, Name::new(name))),
        false => Err(FileSystemError::Name),
    }
}

impl Changing<'_> {
    /// Returns the number of what is at a path. It is not pinned: a pin of a future that is dropped would stay.
    async fn find(&mut self, path: &str) -> Result<NodeId, FileSystemError> {
        let node = self.fat.resolve(path.as_bytes(), Resolve::Lexical).await.map_err(error)?;
        self.fat.forget(node, 1);
        Ok(node)
    }

    /// Returns the number and the length of the file at a path, and counts its change.
    async fn find_file(&mut self, path: &str) -> Result<(NodeId, u64), FileSystemError> {
        split(path)?;
        let entry = self.owner.reader.resolve(path).await?.ok_or(FileSystemError::NotFound)?;
        if entry.directory().is_some() {
            return Err(FileSystemError::IsDirectory);
        }
        self.owner.versions.note_file_change(entry.cluster);
        Ok((self.find(path).await?, entry.size.into()))
    }

    async fn write(&mut self, node: NodeId, mut offset: u64, mut data: &[u8]) -> Result<(), FileSystemError> {
        if offset.checked_add(data.len() as u64).is_none_or(|end| end > MAX_FILE_BYTES) {
            return Err(FileSystemError::TooLong);
        }
        while !data.is_empty() {
            let count = self.fat.write(node, offset, data).await.map_err(error)?;
            match data.get(count..) {
                Some(rest) if count > 0 => (offset, data) = (offset + count as u64, rest),
                _ => return Err(FileSystemError::Full),
            }
        }
        Ok(())
    }
}

impl FileSystemWriter for WritableFat {
    fn create<'a>(&'a self, path: &'a str) -> Change<'a> {
        Box::pin(async move {
            let (directory, name) = split(path)?;
            let mut change = self.change().await;
            let directory = change.find(directory).await?;
            let node = change.fat.create(directory, name, &SetAttr::new()).await.map_err(error)?;
            change.fat.forget(node, 1);
            Ok(())
        })
    }

    fn write<'a>(&'a self, path: &'a str, offset: u64, data: &'a [u8]) -> Change<'a> {
        Box::pin(async move {
            let mut change = self.change().await;
            let (node, _) = change.find_file(path).await?;
            change.write(node, offset, data).await
        })
    }

    fn append<'a>(&'a self, path: &'a str, data: &'a [u8]) -> Change<'a> {
        Box::pin(async move {
            let mut change = self.change().await;
            let (node, size) = change.find_file(path).await?;
            change.write(node, size, data).await
        })
    }

    fn truncate<'a>(&'a self, path: &'a str, size: u64) -> Change<'a> {
        Box::pin(async move {
            if size > MAX_FILE_BYTES {
                return Err(FileSystemError::TooLong);
            }
            let mut change = self.change().await;
            let (node, _) = change.find_file(path).await?;
            change.fat.truncate(node, size).await.map_err(error)
        })
    }

    fn rename<'a>(&'a self, from: &'a str, to: &'a str) -> Change<'a> {
        Box::pin(async move {
            let ((from, name), (to, new_name)) = (split(from)?, split(to)?);
            let mut change = self.change().await;
            let (from, to) = (change.find(from).await?, change.find(to).await?);
            change.fat.rename(from, name, to, new_name, RenameMode::Replace).await.map_err(error)
        })
    }

    fn remove<'a>(&'a self, path: &'a str) -> Change<'a> {
        Box::pin(async move {
            let (directory, name) = split(path)?;
            let mut change = self.change().await;
            let node = change.find(path).await?;
            let kind = change.fat.stat(node).await.map_err(error)?.file_type();
            let directory = change.find(directory).await?;
            let removed = match kind {
                FileType::Dir => change.fat.rmdir(directory, name).await,
                _ => change.fat.unlink(directory, name).await,
            };
            removed.map_err(error)
        })
    }

    fn create_directory<'a>(&'a self, path: &'a str) -> Change<'a> {
        Box::pin(async move {
            let (directory, name) = split(path)?;
            let mut change = self.change().await;
            let directory = change.find(directory).await?;
            let node = change.fat.mkdir(directory, name, &SetAttr::new()).await.map_err(error)?;
            change.fat.forget(node, 1);
            Ok(())
        })
    }

    fn sync(&self) -> Change<'_> {
        Box::pin(async move { self.change().await.fat.sync().await.map_err(error) })
    }
}
