//! FAT12, FAT16 and FAT32, read-only, with long names.
//!
//! Numbers on the disk are checked where they are used: a corrupt file system gives errors, and a chain of clusters that is
//! a loop ends.

mod boot_sector;
mod directory;
mod names;
mod table;
#[cfg(feature = "write")]
mod writer;

use alloc::boxed::Box;
use core::cell::Cell;

use switchboard_runtime::system::LocalBoxFuture;

use self::boot_sector::BootSector;
pub use self::boot_sector::FatType;
use self::directory::{Directory, Entry};
#[cfg(feature = "write")]
pub use self::writer::WritableFat;
use crate::filesystem::{File, FileSystem, FileSystemError, ListPage, Node, Run};
use crate::volume::Volume;

/// A FAT12, FAT16 or FAT32 file system.
#[derive(Debug)]
pub struct Fat {
    volume: Volume,
    boot: BootSector,
    /// Where the chain of a file was followed to last.
    last: Cell<ChainPosition>,
}

/// A place in the chain of a file's clusters.
#[derive(Debug, Clone, Copy, Default)]
struct ChainPosition {
    /// The first cluster of the file.
    first: u32,
    /// The number of clusters before this one.
    index: u64,
    cluster: u32,
}

impl Fat {
    /// Opens the file system on `volume`; `None` when there is none.
    ///
    /// # Errors
    /// [`FileSystemError`] of the disk.
    pub async fn open_volume(volume: &Volume) -> Result<Option<Self>, FileSystemError> {
        let boot = BootSector::read(volume).await?;
        Ok(boot.map(|boot| Self { volume: volume.clone(), boot, last: Cell::default() }))
    }

    /// Returns the kind of the file system.
    #[must_use]
    pub const fn fat_type(&self) -> FatType {
        self.boot.fat_type
    }

    /// Returns the directory or file at a path; `None` for nothing.
    async fn resolve(&self, path: &str) -> Result<Option<Entry>, FileSystemError> {
        let mut found = Entry::root(self.boot.root_cluster);
        for component in path.split('/').filter(|component| !component.is_empty()) {
            let Some(directory) = found.directory() else { return Ok(None) };
            let Some(entry) = self.find(directory, component).await? else { return Ok(None) };
            found = entry;
        }
        Ok(Some(found))
    }

    /// Forgets where the chain of a file was followed to, since the file system was changed.
    #[cfg(feature = "write")]
    fn forget_chain(&self) {
        self.last.set(ChainPosition::default());
    }

    #[cfg(feature = "write")]
    const fn root_directory(&self) -> Directory {
        match self.boot.root_cluster {
            0 => Directory::FixedRoot,
            first => Directory::Chain(first),
        }
    }

    fn node(entry: &Entry) -> Node {
        match entry.directory() {
            Some(_) => Node::Directory,
            None => {
                // The first cluster of an empty file is 0, and no other file has it.
                let id = u64::from(entry.cluster) << 32 | u64::from(entry.size);
                Node::File(File { id, size: entry.size.into(), modified: entry.modified })
            }
        }
    }

    /// Returns a page of a directory.
    async fn page(&self, directory: Directory, position: u64) -> Result<ListPage, FileSystemError> {
        let mut page = ListPage::default();
        page.next = self
            .each_entry(directory, position, |entry, name| {
                page.entries.push(crate::filesystem::ListEntry { name: name.into(), node: Self::node(entry) });
                page.entries.len() == crate::filesystem::PAGE_ENTRIES
            })
            .await?;
        Ok(page)
    }
}

impl FileSystem for Fat {
    fn kind(&self) -> &'static str {
        match self.boot.fat_type {
            FatType::Fat12 => "FAT12",
            FatType::Fat16 => "FAT16",
            FatType::Fat32 => "FAT32",
        }
    }

    fn label(&self) -> &str {
        &self.boot.label
    }

    fn open<'a>(&'a self, path: &'a str) -> LocalBoxFuture<'a, Result<Option<Node>, FileSystemError>> {
        Box::pin(async move { Ok(self.resolve(path).await?.as_ref().map(Self::node)) })
    }

    fn list<'a>(&'a self, path: &'a str, position: u64) -> LocalBoxFuture<'a, Result<ListPage, FileSystemError>> {
        Box::pin(async move {
            match self.resolve(path).await?.and_then(|entry| entry.directory()) {
                Some(directory) => self.page(directory, position).await,
                None => Ok(ListPage::default()),
            }
        })
    }

    fn locate(&self, file: File, offset: u64) -> LocalBoxFuture<'_, Result<Run, FileSystemError>> {
        let first = u32::try_from(file.id >> 32).unwrap_or(0);
        Box::pin(async move {
            let (position, length) = self.run(first, file.size, offset).await?;
            Ok(Run::Stored { position, length })
        })
    }
}
