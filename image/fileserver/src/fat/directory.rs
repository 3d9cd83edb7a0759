//! Directories: entries of 32 bytes, before which a long name may be in entries of its own.

use alloc::string::String;

use switchboard_runtime::hal::CalendarTime;
use switchboard_runtime::wall_clock::UnixTime;

use super::Fat;
use super::names::{LongName, is_same_name, short_name};
use crate::bytes::{u16_at, u32_at};
use crate::filesystem::FileSystemError;

const ENTRY_BYTES: u64 = 32;
/// The most entries of a directory, long names included, by the specification.
const MAX_ENTRIES: u64 = 65_536;
const VOLUME_LABEL: u8 = 0x08;
const DIRECTORY: u8 = 0x10;
/// The attributes of a part of a long name.
const LONG_NAME: u8 = 0x0f;

/// A file or directory.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    is_directory: bool,
    pub(super) cluster: u32,
    pub(super) size: u32,
    pub(super) modified: Option<u64>,
    /// The position of the entry on the volume; 0 for the root.
    #[cfg_attr(not(feature = "write"), expect(dead_code, reason = "it is for repairs"))]
    pub(super) position: u64,
}

/// The place of a directory.
#[derive(Debug, Clone, Copy)]
pub(super) enum Directory {
    /// The root of FAT12 and FAT16.
    FixedRoot,
    /// A chain of clusters that begins with this one.
    Chain(u32),
}

impl Entry {
    /// Returns the root directory.
    pub(super) const fn root(cluster: u32) -> Self {
        Self { is_directory: true, cluster, size: 0, modified: None, position: 0 }
    }

    fn new(bytes: &[u8; 32], position: u64) -> Self {
        let cluster = u32::from(u16_at(bytes, 20)) << 16 | u32::from(u16_at(bytes, 26));
        let size = u32_at(bytes, 28);
        let modified = time(u16_at(bytes, 24), u16_at(bytes, 22));
        Self { is_directory: bytes[11] & DIRECTORY != 0, cluster, size, modified, position }
    }

    /// Returns the place of a directory; `None` for a file.
    pub(super) fn directory(&self) -> Option<Directory> {
        let place = if self.cluster == 0 { Directory::FixedRoot } else { Directory::Chain(self.cluster) };
        self.is_directory.then_some(place)
    }
}

impl Fat {
    /// Calls `see` with the entries of a directory from `start` on, until it returns true. Returns the position of the next
    /// entry then, and `None` at the end.
    pub(super) async fn each_entry(
        &self,
        directory: Directory,
        start: u64,
        mut see: impl FnMut(&Entry, &str) -> bool,
    ) -> Result<Option<u64>, FileSystemError> {
        let per_cluster = self.boot.cluster_bytes / ENTRY_BYTES;
        let mut cluster = match directory {
            Directory::FixedRoot => 0,
            Directory::Chain(first) => first,
        };
        let fixed = matches!(directory, Directory::FixedRoot).then_some(self.boot.root_bytes / ENTRY_BYTES);
        let mut long = LongName::default();
        for index in 0..fixed.unwrap_or(MAX_ENTRIES) {
            let within = match fixed {
                Some(_) => index,
                None => index % per_cluster,
            };
            if fixed.is_none() && index > 0 && within == 0 {
                match self.next_cluster(cluster).await? {
                    Some(next) => cluster = next,
                    None => return Ok(None),
                }
            }
            if index < start {
                continue;
            }
            let base = if fixed.is_some() { self.boot.root } else { self.cluster_position(cluster)? };
            let position = base + within * ENTRY_BYTES;
            let bytes: [u8; 32] = self.volume.read_array(position).await?;
            match bytes[0] {
                0 => return Ok(None),
                0xe5 => long.clear(),
                _ if bytes[11] & 0x3f == LONG_NAME => long.push(&bytes),
                _ if bytes[11] & VOLUME_LABEL != 0 || bytes[0] == b'.' => long.clear(),
                _ => {
                    let name: String = long.take(&bytes).unwrap_or_else(|| short_name(&bytes));
                    // A name with a slash could not be asked for.
                    if !name.is_empty() && !name.contains(['/', '\0']) && see(&Entry::new(&bytes, position), &name) {
                        return Ok(Some(index + 1));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Returns the entry of a name, whose case does not matter.
    pub(super) async fn find(&self, directory: Directory, name: &str) -> Result<Option<Entry>, FileSystemError> {
        let mut found = None;
        let see = |entry: &Entry, other: &str| {
            let is_same = is_same_name(other, name);
            if is_same {
                found = Some(entry.clone());
            }
            is_same
        };
        self.each_entry(directory, 0, see).await?;
        Ok(found)
    }
}

/// Returns the time of a date and a time of day in seconds since 1970, taken as UTC: FAT has no time zone.
fn time(date: u16, time: u16) -> Option<u64> {
    // Each field is less than 64.
    let [month, day] = [date >> 5 & 0xf, date & 0x1f].map(|field| field.to_le_bytes()[0]);
    let [hour, minute, second] = [time >> 11, time >> 5 & 0x3f, (time & 0x1f) * 2].map(|field| field.to_le_bytes()[0]);
    let time = CalendarTime { year: 1980 + (date >> 9), month, day, hour, minute, second };
    UnixTime::from_calendar(time).map(UnixTime::seconds)
}
