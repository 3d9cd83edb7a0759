//! FAT that is written, by the crate `hadris-fat`; it is read as by [`Fat`].
//!
//! One operation at a time is in progress, reads included, so that none of them meets a half of another one. The writes of an
//! operation are in an order that a loss of power may cut anywhere: clusters are marked before an entry refers to them, and freed
//! after it does not. What is left then is lost clusters, a chain that is longer than its file, or a file with its old and its new
//! name; see [`open`].

mod changes;
mod device;
mod open;
mod repair;
mod versions;

use alloc::boxed::Box;

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::mutex::{Mutex, MutexGuard};
use hadris_fat::async_::FatFs;
use switchboard_runtime::system::LocalBoxFuture;

use self::device::Device;
use self::versions::Versions;
use super::Fat;
use crate::filesystem::{File, FileSystem, FileSystemError, ListPage, Node, Run, ready};
use crate::writer::FileSystemWriter;

/// A FAT12, FAT16 or FAT32 file system that is written.
///
/// ```
/// # use switchboard_runtime::devices::{DeviceOptions, FromDriver};
/// # use switchboard_runtime::disk::{Disk, MemoryDisk};
/// use embassy_futures::block_on;
/// use switchboard_fileserver::{FileSystem, FileSystemError, FileSystemWriter, Volume, WritableFat};
///
/// # let image = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/small_fat.rs"));
/// // A small disk that was formatted.
/// let disk = Disk::from_driver(MemoryDisk::new(&image), DeviceOptions::default());
/// block_on(async {
///     let volume = Volume::of_disk(&disk).expect("it is present");
///     let fat = WritableFat::open_volume(&volume).await?.expect("it has FAT");
///     fat.create_directory("logs").await?;
///     fat.create("logs/today.txt").await?;
///     fat.append("logs/today.txt", b"started\n").await?;
///     assert_eq!(fat.create("logs/today.txt").await, Err(FileSystemError::Exists));
///     // Now it survives a loss of power.
///     fat.sync().await?;
///     Ok::<_, Box<dyn std::error::Error>>(())
/// })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct WritableFat {
    reader: Fat,
    writer: Mutex<NoopRawMutex, FatFs<Device>>,
    versions: Versions,
    was_repaired: bool,
}

impl core::fmt::Debug for WritableFat {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("WritableFat").field(&self.reader).finish()
    }
}

/// The right to change the file system. What is known of its files is out of date when it ends, also by a future that is dropped.
struct Changing<'a> {
    owner: &'a WritableFat,
    fat: MutexGuard<'a, NoopRawMutex, FatFs<Device>>,
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.owner.reader.forget_chain();
        self.owner.versions.note_change();
    }
}

impl WritableFat {
    async fn change(&self) -> Changing<'_> {
        Changing { owner: self, fat: self.writer.lock().await }
    }

    /// Returns whether a loss of power had left errors that were repaired.
    #[must_use]
    pub const fn was_repaired(&self) -> bool {
        self.was_repaired
    }

    async fn open_path(&self, path: &str) -> Result<Option<Node>, FileSystemError> {
        let _turn = self.writer.lock().await;
        let Some(entry) = self.reader.resolve(path).await? else { return Ok(None) };
        Ok(Some(match Fat::node(&entry) {
            Node::File(file) => Node::File(self.versions.file(path, entry.cluster, file)),
            Node::Directory => Node::Directory,
        }))
    }

    async fn read_file(
        &self,
        file: File,
        offset: u64,
        max_bytes: usize,
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<u64, FileSystemError> {
        let _turn = self.writer.lock().await;
        let (path, cluster) = self.versions.find(file.id).ok_or(FileSystemError::Changed)?;
        if self.versions.is_stale(file.id) {
            // Its clusters may belong to another file now.
            let found = self.reader.resolve(&path).await?;
            let is_same = found.is_some_and(|entry| entry.cluster == cluster && u64::from(entry.size) >= file.size);
            self.versions.set_checked(file.id, is_same)?;
        }
        if offset >= file.size {
            return Ok(0);
        }
        let (position, length) = self.reader.run(cluster, file.size, offset).await?;
        self.reader.volume.read_in_place(position, length, max_bytes, take).await
    }
}

impl FileSystem for WritableFat {
    fn kind(&self) -> &'static str {
        self.reader.kind()
    }

    fn label(&self) -> &str {
        self.reader.label()
    }

    fn open<'a>(&'a self, path: &'a str) -> LocalBoxFuture<'a, Result<Option<Node>, FileSystemError>> {
        Box::pin(self.open_path(path))
    }

    fn list<'a>(&'a self, path: &'a str, position: u64) -> LocalBoxFuture<'a, Result<ListPage, FileSystemError>> {
        Box::pin(async move {
            let _turn = self.writer.lock().await;
            self.reader.list(path, position).await
        })
    }

    fn locate(&self, file: File, offset: u64) -> LocalBoxFuture<'_, Result<Run, FileSystemError>> {
        ready(Ok(Run::Served { length: file.size.saturating_sub(offset) }))
    }

    fn read<'a>(
        &'a self,
        file: File,
        offset: u64,
        max_bytes: usize,
        take: &'a mut dyn FnMut(&[u8]),
    ) -> LocalBoxFuture<'a, Result<u64, FileSystemError>> {
        Box::pin(self.read_file(file, offset, max_bytes, take))
    }

    fn writer(&self) -> Option<&dyn FileSystemWriter> {
        Some(self)
    }
}
