//! The index of a tar archive that begins at sector 0 of a disk.
//!
//! The headers are read once. What they say is bounded and checked: an archive that turns bad half-way still
//! serves the files before the bad header.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec;

use switchboard_drivers::interfaces::block::{BlockDevice, BlockError, SECTOR_SIZE};
use tar_core::parse::{Limits, ParseError, ParseEvent, ParsedEntry, Parser};

/// No more files than this are indexed.
const MAX_FILES: usize = 4096;
/// Long names and other metadata before one header take no more sectors than this.
const MAX_HEADER_SECTORS: usize = 64;
/// The longest path that is kept, in bytes.
const MAX_PATH: u32 = 1024;

/// Where one file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its first sector.
    pub sector: u64,
    /// Its length in bytes.
    pub size: u64,
    /// When it was last changed, in seconds since 1970.
    pub modified: u64,
}

/// The files of an archive by path, without a leading `/` or `./`.
#[derive(Debug, Default)]
pub struct Archive {
    files: BTreeMap<String, Entry>,
}

/// Why the scan ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// The disk could not be read.
    #[error(transparent)]
    Disk(#[from] BlockError),
    /// What is there is no tar header.
    #[error("malformed tar header at sector {sector}: {error}")]
    Malformed {
        /// Where the header begins.
        sector: u64,
        /// What is wrong with it.
        error: ParseError,
    },
    /// A file, or a header, reaches past the end of the disk.
    #[error("the archive reaches past the end of the disk at sector {sector}")]
    PastEnd {
        /// Where its header begins.
        sector: u64,
    },
    /// There are more files than are indexed.
    #[error("the archive has more than {MAX_FILES} files, those from sector {sector} on are left out")]
    TooMany {
        /// The first header that was left out.
        sector: u64,
    },
}

impl Archive {
    /// Reads the headers of the archive on `disk`, until its end or the first thing that is wrong with it.
    pub async fn scan(disk: &impl BlockDevice) -> (Self, Option<ScanError>) {
        let mut archive = Self::default();
        let error = archive.read_headers(disk).await.err();
        (archive, error)
    }

    async fn read_headers(&mut self, disk: &impl BlockDevice) -> Result<(), ScanError> {
        let limits = Limits { max_path_len: Some(MAX_PATH), ..Limits::default() };
        let mut parser = Parser::new(limits);
        let mut buffer = vec![0; MAX_HEADER_SECTORS * SECTOR_SIZE];
        // Each round takes at least one sector, so the disk's capacity bounds the loop.
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
                Err(error) => return Err(ScanError::Malformed { sector, error }),
                Ok(ParseEvent::End { .. }) => return Ok(()),
                Ok(ParseEvent::NeedData { min_bytes }) => {
                    wanted = min_bytes.div_ceil(SECTOR_SIZE).max(wanted + 1);
                    continue;
                }
                Ok(ParseEvent::GlobalExtensions { consumed, .. }) => (consumed, 0),
                // Its holes would have to be filled in; `tar` makes these on request only.
                Ok(ParseEvent::SparseEntry { consumed, entry, .. }) => (consumed, entry.size),
                Ok(ParseEvent::Entry { consumed, entry }) => {
                    let first = sector + sectors(consumed as u64);
                    let end = first.checked_add(sectors(entry.size)).filter(|end| *end <= disk.capacity());
                    if end.is_none() {
                        return Err(ScanError::PastEnd { sector });
                    }
                    if self.files.len() == MAX_FILES {
                        return Err(ScanError::TooMany { sector });
                    }
                    self.add(&entry, first);
                    (consumed, entry.size)
                }
            };
            sector += sectors(consumed as u64) + sectors(payload);
            wanted = 1;
        }
    }

    /// Keeps regular files; directories show in the paths of what is in them.
    fn add(&mut self, entry: &ParsedEntry<'_>, sector: u64) {
        if entry.is_file() {
            let path = entry.path_lossy();
            let path = path.trim_start_matches("./").trim_matches('/');
            self.files.insert(path.to_string(), Entry { sector, size: entry.size, modified: entry.mtime });
        }
    }

    /// The file at `path`.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<Entry> {
        self.files.get(path).copied()
    }

    /// Number of files.
    #[must_use]
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// What is directly in the directory `path` (empty, or ending in `/`): names, and entries for those that
    /// are files. Empty when there is no such directory.
    #[must_use]
    pub fn list<'a>(&'a self, path: &str) -> BTreeMap<&'a str, Option<Entry>> {
        let from = self.files.range(path.to_string()..);
        let inside = from.map_while(|(name, entry)| Some((name.strip_prefix(path)?, entry)));
        let mut list = BTreeMap::new();
        // One by one: collecting would sort what is sorted, with a sort of its own that is larger than all of this.
        for (rest, entry) in inside {
            match rest.split_once('/') {
                Some((directory, _)) => list.insert(directory, None),
                None => list.insert(rest, Some(*entry)),
            };
        }
        list
    }
}

/// Sectors that hold so many bytes.
fn sectors(bytes: u64) -> u64 {
    bytes.div_ceil(SECTOR_SIZE as u64)
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use embassy_futures::block_on;
    use tar_core::{EntryType, Header};

    use super::*;
    use switchboard_runtime::disk::MemoryDisk;

    fn append(image: &mut Vec<u8>, path: &str, content: &[u8]) {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_path(path.as_bytes()).unwrap();
        header.set_size(content.len() as u64).unwrap();
        header.set_mode(0o644).unwrap();
        header.set_mtime(1_000).unwrap();
        header.set_checksum();
        image.extend_from_slice(header.as_bytes());
        image.extend_from_slice(content);
        image.resize(image.len().next_multiple_of(SECTOR_SIZE), 0);
    }

    fn scan(image: &[u8]) -> (Archive, Option<ScanError>) {
        block_on(Archive::scan(&MemoryDisk::new(image)))
    }

    fn example() -> Vec<u8> {
        let mut image = Vec::new();
        append(&mut image, "./index.html", b"<p>hello");
        append(&mut image, "images/logo.svg", &[7; 1500]);
        append(&mut image, "images/more/deep.txt", b"");
        image
    }

    #[test]
    fn files_are_found_where_they_are() {
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
    fn directories_list_what_is_directly_in_them() {
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
    fn a_bad_header_ends_the_scan_and_keeps_what_was_before() {
        let mut image = example();
        let bad = image.len() as u64 / 512;
        image.extend_from_slice(&[0x55; 1024]);
        let (archive, error) = scan(&image);
        assert!(matches!(error, Some(ScanError::Malformed { sector, .. }) if sector == bad), "{error:?}");
        assert_eq!(archive.len(), 3);
    }

    #[test]
    fn an_archive_cut_short_says_so() {
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
