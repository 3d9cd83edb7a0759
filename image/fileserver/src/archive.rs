//! The index of a tar archive that begins at sector 0 of a disk.
//!
//! The headers are read once. All their fields are checked and bounded: the files before a malformed header are served.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec;

use switchboard_drivers::interfaces::block::{BlockDevice, SECTOR_SIZE};
use tar_core::parse::{Limits, ParseEvent, ParsedEntry, Parser};

use crate::scan_error::{HeaderError, ScanError};

/// The maximum number of files that are indexed.
const MAX_FILES: usize = 4096;
/// The maximum number of sectors for long names and other metadata before one header.
const MAX_HEADER_SECTORS: usize = 64;
/// The maximum length of a path.
const MAX_PATH_BYTES: u32 = 1024;

/// The location of a file on its disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// Its first sector.
    pub sector: u64,
    /// Its length in bytes.
    pub size: u64,
    /// The time of its last change, in seconds since 1970.
    pub modified: u64,
}

/// The files of an archive by path, without a leading `/` or `./`.
///
/// ```
/// # let tar = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/tar.rs"));
/// use embassy_futures::block_on;
/// use switchboard_fileserver::Archive;
/// use switchboard_runtime::disk::MemoryDisk;
///
/// let disk = MemoryDisk::new(&tar(&[("index.html", b"<p>hello"), ("images/logo.svg", b"<svg/>")]));
/// let (archive, error) = block_on(Archive::scan(&disk));
/// assert!(error.is_none());
/// assert_eq!(archive.file("index.html").map(|entry| (entry.sector, entry.size)), Some((1, 8)));
/// assert!(archive.list("").into_keys().eq(["images", "index.html"]));
/// ```
#[derive(Debug, Default)]
pub struct Archive {
    files: BTreeMap<String, Entry>,
}

impl Archive {
    /// Reads the headers of the archive on `disk`, until its end or the first error, which is returned with the files before
    /// it.
    pub async fn scan(disk: &impl BlockDevice) -> (Self, Option<ScanError>) {
        let mut archive = Self::default();
        let error = archive.read_headers(disk).await.err();
        (archive, error)
    }

    async fn read_headers(&mut self, disk: &impl BlockDevice) -> Result<(), ScanError> {
        let limits = Limits { max_path_len: Some(MAX_PATH_BYTES), ..Limits::default() };
        let mut parser = Parser::new(limits);
        let mut buffer = vec![0; MAX_HEADER_SECTORS * SECTOR_SIZE];
        // Each round consumes at least one sector or wants more of them, so the disk's capacity bounds the loop.
        let (mut sector, mut wanted) = (0, 1);
        loop {
            let count = u64::try_from(wanted).unwrap_or(u64::MAX);
            let past_end = sector + count > disk.capacity();
            if past_end || wanted > MAX_HEADER_SECTORS {
                return Err(ScanError::PastEnd { sector });
            }
            let header = &mut buffer[..wanted * SECTOR_SIZE];
            disk.read(sector, header).await?;
            let (consumed, payload) = match parser.parse(header) {
                Err(error) => return Err(ScanError::Malformed { sector, error: HeaderError(error) }),
                Ok(ParseEvent::End { .. }) => return Ok(()),
                Ok(ParseEvent::NeedData { min_bytes }) => {
                    wanted = min_bytes.div_ceil(SECTOR_SIZE).max(wanted + 1);
                    continue;
                }
                Ok(ParseEvent::GlobalExtensions { consumed, .. }) => (consumed, 0),
                // Sparse files are skipped: their holes would have to be filled in. `tar` makes them on request only.
                Ok(ParseEvent::SparseEntry { consumed, entry, .. }) => (consumed, entry.size),
                Ok(ParseEvent::Entry { consumed, entry }) => {
                    let first = sector + sectors(consumed as u64);
                    let end = first.checked_add(sectors(entry.size)).filter(|end| *end <= disk.capacity());
                    if end.is_none() {
                        return Err(ScanError::PastEnd { sector });
                    }
                    if self.files.len() == MAX_FILES {
                        return Err(ScanError::TooManyFiles { sector, max_files: MAX_FILES });
                    }
                    self.add(&entry, first);
                    (consumed, entry.size)
                }
            };
            sector += sectors(consumed as u64) + sectors(payload);
            wanted = 1;
        }
    }

    /// Indexes a regular file. Directories are not entries: they follow from the paths of the files.
    fn add(&mut self, entry: &ParsedEntry<'_>, sector: u64) {
        if entry.is_file() {
            let path = entry.path_lossy();
            let path = path.trim_start_matches("./").trim_matches('/');
            self.files.insert(path.to_string(), Entry { sector, size: entry.size, modified: entry.mtime });
        }
    }

    /// Returns the file at `path`.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<Entry> {
        self.files.get(path).copied()
    }

    /// Returns the number of files.
    #[must_use]
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Returns whether there are no files.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Returns the content of the directory `path` (empty, or ending in `/`), without that of its directories: names, with
    /// entries for files and `None` for directories. Empty when there is no such directory.
    #[must_use]
    pub fn list<'a>(&'a self, path: &str) -> BTreeMap<&'a str, Option<Entry>> {
        let from = self.files.range(path.to_string()..);
        let inside = from.map_while(|(name, entry)| Some((name.strip_prefix(path)?, entry)));
        let mut list = BTreeMap::new();
        // Not `collect`, which sorts first: its code is larger than the rest of this crate.
        for (rest, entry) in inside {
            match rest.split_once('/') {
                Some((directory, _)) => list.insert(directory, None),
                None => list.insert(rest, Some(*entry)),
            };
        }
        list
    }
}

/// Returns the number of sectors for so many bytes.
fn sectors(bytes: u64) -> u64 {
    bytes.div_ceil(SECTOR_SIZE as u64)
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use embassy_futures::block_on;

    use super::*;
    use switchboard_runtime::disk::MemoryDisk;

    fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
        let tar = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/tar.rs"));
        tar(files)
    }

    fn scan(image: &[u8]) -> (Archive, Option<ScanError>) {
        block_on(Archive::scan(&MemoryDisk::new(image)))
    }

    /// Returns an archive of seven sectors, without the two that end it.
    fn example() -> Vec<u8> {
        let mut image =
            tar(&[("./index.html", b"<p>hello"), ("images/logo.svg", &[7; 1500]), ("images/more/deep.txt", b"")]);
        image.truncate(7 * SECTOR_SIZE);
        image
    }

    #[test]
    fn files_have_their_sectors_and_sizes() {
        let mut image = example();
        image.resize(image.len() + 1024, 0);
        let (archive, error) = scan(&image);
        assert!(error.is_none(), "{error:?}");
        assert_eq!(archive.len(), 3);
        assert_eq!(archive.file("index.html"), Some(Entry { sector: 1, size: 8, modified: 1_000 }));
        assert_eq!(archive.file("images/logo.svg"), Some(Entry { sector: 3, size: 1500, modified: 1_000 }));
        assert_eq!(archive.file("images"), None);
    }

    #[test]
    fn a_list_has_files_and_directories_of_one_level() {
        let mut image = example();
        image.resize(image.len() + 1024, 0);
        let (archive, _) = scan(&image);
        let names = |path| archive.list(path).into_keys().collect::<Vec<_>>();
        assert_eq!(names(""), ["images", "index.html"]);
        assert_eq!(names("images/"), ["logo.svg", "more"]);
        assert!(archive.list("images/")["more"].is_none());
        assert!(names("nowhere/").is_empty());
    }

    #[test]
    fn a_malformed_header_ends_the_scan_and_keeps_the_files_before_it() {
        let mut image = example();
        let bad = image.len() as u64 / 512;
        image.extend_from_slice(&[0x55; 1024]);
        let (archive, error) = scan(&image);
        assert!(matches!(error, Some(ScanError::Malformed { sector, .. }) if sector == bad), "{error:?}");
        assert_eq!(archive.len(), 3);
    }

    #[test]
    fn a_truncated_archive_is_an_error() {
        let image = example();
        let (archive, error) = scan(&image[..4 * SECTOR_SIZE]);
        assert!(matches!(error, Some(ScanError::PastEnd { sector: 2 })), "{error:?}");
        assert_eq!(archive.len(), 1);
        assert!(matches!(scan(&[]).1, Some(ScanError::PastEnd { sector: 0 })));
    }

    #[test]
    fn an_empty_disk_is_an_empty_archive() {
        let (archive, error) = scan(&[0; 4096]);
        assert!(archive.is_empty() && error.is_none());
    }
}
