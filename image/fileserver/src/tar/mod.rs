//! tar archives as file systems: an index of the members by path, made once.

mod header;
mod index;
mod links;
mod metadata;
mod names;
mod scan;
mod scan_error;
mod sparse;

use alloc::string::String;
use alloc::vec::Vec;

use switchboard_runtime::memory_budget::Reservation;
use switchboard_runtime::system::LocalBoxFuture;

pub use self::scan_error::{HeaderDefect, ScanError};

use self::index::Member;
use self::sparse::SparseMap;
use crate::filesystem::{File, FileSystem, FileSystemError, ListEntry, ListPage, Node, PAGE_ENTRIES, Run, ready};
use crate::volume::Volume;

/// The index of a tar archive: v7, ustar, GNU and pax formats, with long names, hard and symbolic links, and sparse files.
///
/// Members are looked up as `tar -x` would leave them: the last one of a path counts, and a hard link is the file that its
/// target was when the link was read. Paths that lead out of the archive are left out.
///
/// ```
/// # let tar = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/tar.rs"));
/// use embassy_futures::block_on;
/// use switchboard_fileserver::{Archive, FileSystem, Node, Run, Volume};
/// use switchboard_runtime::devices::{DeviceOptions, FromDriver};
/// use switchboard_runtime::disk::{Disk, MemoryDisk};
///
/// let disk = MemoryDisk::new(&tar(&[("index.html", b"<p>hello"), ("images/logo.svg", b"<svg/>")]));
/// let disk = Disk::from_driver(disk, DeviceOptions::default());
/// let (archive, error) = block_on(Archive::scan(&Volume::of_disk(&disk).expect("it is present")));
/// assert!(error.is_none());
///
/// let Some(Node::File(file)) = block_on(archive.open("index.html"))? else { panic!("it is a file") };
/// assert_eq!((file.size, file.modified), (8, Some(1_000)));
/// assert_eq!(block_on(archive.locate(file, 3))?, Run::Stored { position: 512 + 3, length: 5 });
///
/// let names: Vec<_> = block_on(archive.list("", 0))?.entries.into_iter().map(|entry| entry.name).collect();
/// assert_eq!(names, ["images", "index.html"]);
/// # Ok::<_, switchboard_fileserver::FileSystemError>(())
/// ```
#[derive(Debug, Default)]
pub struct Archive {
    /// The members by path, sorted.
    members: Vec<(String, Member)>,
    files: Vec<FileData>,
    /// The memory of the index.
    reservation: Option<Reservation>,
    skipped: Skipped,
}

/// The members that are left out.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Skipped {
    /// Their number.
    pub count: usize,
    /// Why the first of them is.
    pub reason: &'static str,
}

/// The content of a file.
#[derive(Debug)]
struct FileData {
    /// The first byte of its data on the volume.
    position: u64,
    /// The length, holes included.
    size: u64,
    modified: Option<u64>,
    /// The parts that are stored, of a sparse file.
    sparse: Option<SparseMap>,
}

impl Archive {
    /// Reads the headers of the archive at the begin of `volume`, until its end or the first error, which is returned with
    /// the members before it.
    pub async fn scan(volume: &Volume) -> (Self, Option<ScanError>) {
        scan::scan(volume).await
    }

    /// Returns the members that are left out: which lead out of the archive, link to nothing, or are malformed.
    #[must_use]
    pub const fn skipped(&self) -> Skipped {
        self.skipped
    }

    /// Returns whether the archive has no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Returns the number of bytes reserved for the index.
    #[must_use]
    pub fn index_bytes(&self) -> usize {
        self.reservation.as_ref().map_or(0, Reservation::bytes)
    }

    fn file(&self, index: u32) -> Option<File> {
        let FileData { size, modified, .. } = *self.files.get(index as usize)?;
        Some(File { id: index.into(), size, modified })
    }

    /// Returns the place of the first member at or behind `path`.
    fn place(&self, path: &str) -> usize {
        self.members.partition_point(|(member, _)| member.as_str() < path)
    }

    fn page(&self, path: &str, position: u64) -> Option<ListPage> {
        let directory = self.resolve(path)?;
        let inside = |member: &str| -> Option<usize> {
            let rest =
                if directory.is_empty() { Some(member) } else { member.strip_prefix(&*directory)?.strip_prefix('/') };
            rest.filter(|rest| !rest.is_empty()).map(|rest| member.len() - rest.len())
        };
        let mut prefix = directory.clone();
        if !directory.is_empty() {
            prefix.push('/');
        }
        let mut at = self.place(&prefix).max(usize::try_from(position).ok()?);
        let mut page = ListPage::default();
        while let Some((member, kind)) = self.members.get(at) {
            let Some(start) = inside(member) else { break };
            if page.entries.len() == PAGE_ENTRIES {
                page.next = Some(at as u64);
                break;
            }
            match member[start..].split_once('/') {
                Some((name, _)) => {
                    let path = &member[..start + name.len()];
                    // The directory may be a member itself, some way before what is in it.
                    if self.members.binary_search_by(|(other, _)| other.as_str().cmp(path)).is_err() {
                        page.entries.push(ListEntry { name: name.into(), node: Node::Directory });
                    }
                    // '0' is the character after '/'.
                    let mut behind = String::from(path);
                    behind.push('0');
                    at = self.place(&behind);
                }
                None => {
                    let node = match kind {
                        Member::File(index) => self.file(*index).map(Node::File),
                        Member::Directory => Some(Node::Directory),
                        Member::Link(_) => self.find(member),
                    };
                    page.entries.extend(node.map(|node| ListEntry { name: member[start..].into(), node }));
                    at += 1;
                }
            }
        }
        Some(page)
    }
}

impl FileSystem for Archive {
    fn kind(&self) -> &'static str {
        "tar"
    }

    fn file_count(&self) -> Option<usize> {
        Some(self.members.iter().filter(|(_, member)| matches!(member, Member::File(_))).count())
    }

    fn open<'a>(&'a self, path: &'a str) -> LocalBoxFuture<'a, Result<Option<Node>, FileSystemError>> {
        ready(Ok(self.find(path)))
    }

    fn list<'a>(&'a self, path: &'a str, position: u64) -> LocalBoxFuture<'a, Result<ListPage, FileSystemError>> {
        ready(Ok(self.page(path, position).unwrap_or_default()))
    }

    fn locate(&self, file: File, offset: u64) -> LocalBoxFuture<'_, Result<Run, FileSystemError>> {
        let data = usize::try_from(file.id).ok().and_then(|index| self.files.get(index));
        let run = data.ok_or(FileSystemError::PastEnd { position: offset }).map(|data| match &data.sparse {
            Some(map) => map.locate(data.position, data.size, offset),
            None => {
                Run::Stored { position: data.position.saturating_add(offset), length: data.size.saturating_sub(offset) }
            }
        });
        ready(run)
    }
}
