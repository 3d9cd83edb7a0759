//! Files that are written beside the one that they replace, so that it is never seen in part.
//!
//! A rename over another file is no single write on FAT: for a moment neither is there. So the path that a file is for is durable in a
//! file of its own before, and a rename that a loss of power has cut is made again at the next start.

use alloc::format;
use alloc::string::String;

use switchboard_runtime::say;

use crate::crc32::Crc32;
use crate::filesystem::{FileSystemError, Node};
use crate::root::RootFiles;

/// The directory of files that are not complete.
pub(crate) const PARTIAL: &str = ".partial";
/// The most files that are being written at a time.
const MAX_PARTIAL: u32 = 8;
/// The most bytes of the file with a path.
const MAX_TARGET_BYTES: usize = 4096 + 9;

/// A file that is being written. What is left of one that was dropped is removed by the next one with its name.
#[derive(Debug)]
pub(crate) struct Partial {
    files: RootFiles,
    number: u32,
    path: String,
    /// The path of the file with the path that it is for.
    target: String,
}

impl Drop for Partial {
    fn drop(&mut self) {
        let used = &self.files.mounted().partial_files;
        used.set(used.get() & !(1 << self.number));
    }
}

impl Partial {
    /// Creates an empty file; [`FileSystemError::NoMemory`] when too many are being written.
    pub(crate) async fn create(files: &RootFiles) -> Result<Self, FileSystemError> {
        let used = &files.mounted().partial_files;
        let number = used.get().trailing_ones();
        if number >= MAX_PARTIAL {
            return Err(FileSystemError::NoMemory);
        }
        used.set(used.get() | 1 << number);
        let this = Self::of(files, number);
        create_directory(files, PARTIAL).await?;
        remove(files, &this.target).await?;
        remove(files, &this.path).await?;
        files.writer().create(&this.path).await?;
        Ok(this)
    }

    fn of(files: &RootFiles, number: u32) -> Self {
        let path = format!("{PARTIAL}/{number}");
        Self { files: files.clone(), number, target: format!("{path}.to"), path }
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Moves the file to `path`, creates the directories that it needs, and makes it durable. Returns whether there was none before.
    pub(crate) async fn publish(self, path: &str) -> Result<bool, FileSystemError> {
        let writer = self.files.writer();
        let is_new = match self.files.mounted().file_system.open(path).await? {
            Some(Node::Directory) => return Err(FileSystemError::IsDirectory),
            Some(Node::File(_)) => false,
            None => true,
        };
        let slashes = path.match_indices('/').filter(|_| is_new);
        for (end, _) in slashes {
            create_directory(&self.files, &path[..end]).await?;
        }
        // The content is durable before the path that it is for, and that before the rename.
        writer.sync().await?;
        writer.create(&self.target).await?;
        writer.append(&self.target, format!("{:08x} {path}", Crc32::of(path.as_bytes())).as_bytes()).await?;
        writer.sync().await?;
        let renamed = writer.rename(&self.path, path).await;
        if renamed.is_ok() {
            writer.sync().await?;
        }
        // What failed is not made again. The sync also marks the file system as clean.
        writer.remove(&self.target).await?;
        writer.sync().await?;
        renamed.map(|()| is_new)
    }

    /// Makes the renames again that a loss of power has cut.
    pub(crate) async fn recover(files: &RootFiles) -> Result<(), FileSystemError> {
        let file_system = &files.mounted().file_system;
        if file_system.open(PARTIAL).await? != Some(Node::Directory) {
            return Ok(());
        }
        for number in 0..MAX_PARTIAL {
            let this = Self::of(files, number);
            let text = match files.read(&this.target, MAX_TARGET_BYTES).await {
                Ok(text) => text,
                Err(error @ (FileSystemError::Disk(_) | FileSystemError::Share(_))) => return Err(error),
                Err(_) => continue,
            };
            if let Some(path) = target_path(&text)
                && matches!(file_system.open(&this.path).await?, Some(Node::File(_)))
            {
                match files.writer().rename(&this.path, path).await {
                    Ok(()) => say!("files: {path}: a loss of power had cut its rename, which was made again"),
                    Err(error) => say!("files: {path}: a loss of power had cut its rename, which fails now: {error}"),
                }
                files.writer().sync().await?;
            }
            remove(files, &this.target).await?;
        }
        Ok(())
    }
}

/// Returns the path in a file for it, if it is whole.
fn target_path(text: &[u8]) -> Option<&str> {
    let (checksum, path) = core::str::from_utf8(text).ok()?.split_once(' ')?;
    (u32::from_str_radix(checksum, 16) == Ok(Crc32::of(path.as_bytes()))).then_some(path)
}

/// Removes a file, if it is there.
async fn remove(files: &RootFiles, path: &str) -> Result<(), FileSystemError> {
    match files.writer().remove(path).await {
        Err(FileSystemError::NotFound) => Ok(()),
        result => result,
    }
}

/// Creates a directory unless it is there.
async fn create_directory(files: &RootFiles, path: &str) -> Result<(), FileSystemError> {
    match files.mounted().file_system.open(path).await? {
        Some(Node::Directory) => return Ok(()),
        Some(Node::File(_)) => return Err(FileSystemError::NotDirectory),
        None => {}
    }
    match files.writer().create_directory(path).await {
        Err(FileSystemError::Exists) => Ok(()),
        result => result,
    }
}
