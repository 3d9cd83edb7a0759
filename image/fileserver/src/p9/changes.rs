//! The changes of a share.
//!
//! Links are followed by this client, within the share, as for reading; the last name of a path that is created, renamed or removed is
//! never followed. The server gets names alone, each without a slash.

use alloc::boxed::Box;
use alloc::string::String;

use super::P9;
use super::client::{Attributes, Fid, Session};
use super::message::{HEAD_BYTES, Message, Operation};
use crate::filesystem::FileSystemError;
use crate::writer::{Change, FileSystemWriter};

/// `P9_SETATTR_SIZE`.
const SIZE_ATTRIBUTE: u32 = 8;
/// `O_WRONLY`, `O_CREAT` and `O_EXCL` of Linux, which 9P2000.L has taken over.
const WRITE_ONLY: u32 = 1;
const CREATE_NEW: u32 = WRITE_ONLY | 0o100 | 0o200;
/// `AT_REMOVEDIR`.
const REMOVE_DIRECTORY: u32 = 0x200;
const FILE_MODE: u32 = 0o644;
const DIRECTORY_MODE: u32 = 0o755;
/// The group of new files: the server's own, as it is by `security_model=none` in any case.
const NO_GROUP: u32 = u32::MAX;
/// The fields of a request to write before its data: file, offset, count.
const WRITE_FIELDS: usize = 4 + 8 + 4;
/// The most paths that wait for a sync.
const MAX_UNSYNCED: usize = 64;

impl Session {
    /// Sends a request whose reply has no field that is needed.
    async fn request(&self, message: Message) -> Result<(), FileSystemError> {
        self.ask(message, |_| Ok(())).await.map_err(known)
    }

    async fn open_to_write(&self, file: &Fid) -> Result<(), FileSystemError> {
        self.request(Message::new(Operation::Open).u32(file.number).u32(WRITE_ONLY)).await
    }

    /// Writes some of the bytes, and returns how many.
    async fn write(&self, file: &Fid, offset: u64, data: &[u8]) -> Result<usize, FileSystemError> {
        let limit = self.max_message_bytes().saturating_sub(HEAD_BYTES + WRITE_FIELDS).max(1);
        let part = &data[..data.len().min(limit)];
        let count = u32::try_from(part.len()).unwrap_or(0);
        let message = Message::new(Operation::Write).u32(file.number).u64(offset).u32(count).bytes(part);
        let written = self.ask(message, |mut fields| Ok(fields.u32()? as usize)).await.map_err(known)?;
        match written {
            0 => Err(FileSystemError::Full),
            written if written > part.len() => {
                Err(FileSystemError::Protocol("a 9P reply with more bytes than written"))
            }
            written => Ok(written),
        }
    }

    async fn set_size(&self, file: &Fid, size: u64) -> Result<(), FileSystemError> {
        let message = Message::new(Operation::SetAttributes).u32(file.number).u32(SIZE_ATTRIBUTE);
        // Mode, user and group, then the size, and two times.
        let message = message.u32(0).u32(0).u32(0).u64(size).u64(0).u64(0).u64(0).u64(0);
        self.request(message).await
    }
}

/// Returns the error of this crate for a number of Linux.
fn known(error: FileSystemError) -> FileSystemError {
    let FileSystemError::Server { code } = error else { return error };
    match code {
        2 => FileSystemError::NotFound,
        17 => FileSystemError::Exists,
        20 => FileSystemError::NotDirectory,
        21 => FileSystemError::IsDirectory,
        27 => FileSystemError::TooLong,
        28 | 122 => FileSystemError::Full,
        30 => FileSystemError::ReadOnly,
        36 => FileSystemError::Name,
        39 => FileSystemError::NotEmpty,
        _ => error,
    }
}

/// Returns the directory and the name of a path.
fn split(path: &str) -> Result<(&str, &str), FileSystemError> {
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    let is_valid = |component: &str| !matches!(component, "" | "." | "..") && !component.contains('\0');
    match path.split('/').all(is_valid) {
        true => Ok((directory, name)),
        false => Err(FileSystemError::Name),
    }
}

impl P9 {
    /// Returns the directory of a path, and the name in it.
    async fn find_directory<'a>(&self, path: &'a str) -> Result<(Fid, &'a str), FileSystemError> {
        let (directory, name) = split(path)?;
        let (fid, attributes) = self.find(directory).await?.ok_or(FileSystemError::NotFound)?;
        match attributes.is_directory() {
            true => Ok((fid, name)),
            false => Err(FileSystemError::NotDirectory),
        }
    }

    async fn find_file(&self, path: &str) -> Result<(Fid, Attributes), FileSystemError> {
        split(path)?;
        match self.find(path).await?.ok_or(FileSystemError::NotFound)? {
            (fid, attributes) if attributes.is_file() => Ok((fid, attributes)),
            (_, attributes) if attributes.is_directory() => Err(FileSystemError::IsDirectory),
            _ => Err(FileSystemError::Unsupported("devices, pipes and sockets are")),
        }
    }

    async fn write_at(&self, path: &str, offset: Option<u64>, mut data: &[u8]) -> Result<(), FileSystemError> {
        let (file, attributes) = self.find_file(path).await?;
        let mut offset = offset.unwrap_or(attributes.size);
        if data.is_empty() {
            return Ok(());
        }
        self.session.open_to_write(&file).await?;
        self.note_change(path).await?;
        while !data.is_empty() {
            let count = self.session.write(&file, offset, data).await?;
            (offset, data) = (offset.saturating_add(count as u64), &data[count..]);
        }
        Ok(())
    }

    /// Notes a path that has to be synced, with its directory. When there are too many, they are synced now.
    async fn note_change(&self, path: &str) -> Result<(), FileSystemError> {
        let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
        if self.unsynced.borrow().len() >= MAX_UNSYNCED {
            self.sync_all().await?;
        }
        let unsynced = &mut *self.unsynced.borrow_mut();
        unsynced.insert(path.into());
        unsynced.insert(directory.into());
        Ok(())
    }

    async fn sync_all(&self) -> Result<(), FileSystemError> {
        loop {
            // Not in the condition: the list is not borrowed while the server is asked.
            let Some(path) = self.unsynced.borrow().first().cloned() else { return Ok(()) };
            // What was removed or renamed since has left its directory to sync.
            if let Some((fid, attributes)) = self.find(&path).await?
                && (attributes.is_file() || attributes.is_directory())
            {
                self.session.open_to_read(&fid).await?;
                self.session.request(Message::new(Operation::Sync).u32(fid.number).u32(0)).await?;
            }
            self.unsynced.borrow_mut().remove(&path);
        }
    }

    async fn remove_path(&self, path: &str) -> Result<(), FileSystemError> {
        let (directory, name) = self.find_directory(path).await?;
        let unlink = |flags: u32| Message::new(Operation::Unlink).u32(directory.number).string(name).u32(flags);
        match self.session.request(unlink(0)).await {
            // EISDIR of Linux, EPERM of POSIX.
            Err(FileSystemError::IsDirectory | FileSystemError::Server { code: 1 }) => {
                self.session.request(unlink(REMOVE_DIRECTORY)).await?;
            }
            result => result?,
        }
        self.note_change(path).await
    }
}

impl FileSystemWriter for P9 {
    fn create<'a>(&'a self, path: &'a str) -> Change<'a> {
        Box::pin(async move {
            // The number of the directory becomes that of the file.
            let (directory, name) = self.find_directory(path).await?;
            let message = Message::new(Operation::Create).u32(directory.number).string(name);
            self.session.request(message.u32(CREATE_NEW).u32(FILE_MODE).u32(NO_GROUP)).await?;
            self.note_change(path).await
        })
    }

    fn write<'a>(&'a self, path: &'a str, offset: u64, data: &'a [u8]) -> Change<'a> {
        Box::pin(self.write_at(path, Some(offset), data))
    }

    fn append<'a>(&'a self, path: &'a str, data: &'a [u8]) -> Change<'a> {
        Box::pin(self.write_at(path, None, data))
    }

    fn truncate<'a>(&'a self, path: &'a str, size: u64) -> Change<'a> {
        Box::pin(async move {
            let (file, _) = self.find_file(path).await?;
            self.session.set_size(&file, size).await?;
            self.note_change(path).await
        })
    }

    fn rename<'a>(&'a self, from: &'a str, to: &'a str) -> Change<'a> {
        Box::pin(async move {
            let (from_directory, name) = self.find_directory(from).await?;
            let (to_directory, new_name) = self.find_directory(to).await?;
            let message = Message::new(Operation::Rename).u32(from_directory.number).string(name);
            self.session.request(message.u32(to_directory.number).string(new_name)).await?;
            self.note_change(from).await?;
            self.note_change(to).await
        })
    }

    fn remove<'a>(&'a self, path: &'a str) -> Change<'a> {
        Box::pin(self.remove_path(path))
    }

    fn create_directory<'a>(&'a self, path: &'a str) -> Change<'a> {
        Box::pin(async move {
            let (directory, name) = self.find_directory(path).await?;
            let message = Message::new(Operation::CreateDirectory).u32(directory.number).string(name);
            self.session.request(message.u32(DIRECTORY_MODE).u32(NO_GROUP)).await?;
            self.note_change(path).await
        })
    }

    fn sync(&self) -> Change<'_> {
        Box::pin(self.sync_all())
    }
}

/// The paths that have to be synced.
pub(super) type Unsynced = alloc::collections::BTreeSet<String>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for path in ["", "..", "a/..", "../a", "a/./b", "a//b", "/a", "a/", "a\0"] {
            assert_eq!(split(path), Err(FileSystemError::Name), "{path:?}");
        }
        assert_eq!(split("a/b/c"), Ok(("a/b", "c")));
        assert_eq!(split("c"), Ok(("", "c")));
    }
}
