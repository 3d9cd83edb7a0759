//! The end of renames that a loss of power has cut.
//!
//! A rename writes the new entry before it clears the old one. When it was cut between them, both lead to the same clusters. One of
//! them has to go, since the removal of either would free the clusters of the other.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use switchboard_drivers::interfaces::block::{BlockDevice, SECTOR_SIZE};

use crate::fat::Fat;
use crate::fat::directory::Directory;
use crate::filesystem::FileSystemError;
use crate::upload::PARTIAL;
use crate::volume::fallible_buffer;

/// The most directories that are looked through.
const MAX_DIRECTORIES: usize = 65_536;
/// The first byte of an entry that was removed.
const REMOVED: u8 = 0xe5;

/// A name of a file.
struct Name {
    path: String,
    /// The position of its entry on the volume.
    position: u64,
    cluster: u32,
    size: u32,
}

impl Name {
    fn is_partial(&self) -> bool {
        self.path.strip_prefix(PARTIAL).is_some_and(|rest| rest.starts_with('/'))
    }
}

impl Fat {
    /// Removes one of the two names of each of these files. Returns whether there was any.
    ///
    /// The name of an upload that is not complete is removed rather than the other one. Of two other names either is right: before the
    /// rename the file had the one, and after it the other.
    pub(super) async fn end_renames(&self, paths: &[String]) -> Result<bool, FileSystemError> {
        let mut clusters = Vec::new();
        for path in paths {
            if let Some(entry) = self.resolve(path.trim_matches('/')).await?
                && entry.directory().is_none()
                && !clusters.contains(&entry.cluster)
            {
                clusters.push(entry.cluster);
            }
        }
        let names = self.names_of(&clusters).await?;
        let mut has_removed = false;
        for cluster in clusters {
            let mut names = names.iter().filter(|name| name.cluster == cluster);
            let (Some(first), Some(second), None) = (names.next(), names.next(), names.next()) else { continue };
            if first.size != second.size {
                continue;
            }
            self.remove_entry(if first.is_partial() { first.position } else { second.position }).await?;
            has_removed = true;
        }
        Ok(has_removed)
    }

    /// Returns all names of files that begin at one of these clusters.
    async fn names_of(&self, clusters: &[u32]) -> Result<Vec<Name>, FileSystemError> {
        let mut names = Vec::new();
        let mut directories = Vec::from([(self.root_directory(), String::new())]);
        let mut count = 0;
        while let Some((directory, path)) = directories.pop() {
            count += 1;
            if count > MAX_DIRECTORIES {
                return Err(FileSystemError::Corrupt { what: "the directories of FAT are a loop", position: 0 });
            }
            self.each_entry(directory, 0, |entry, name| {
                let path = if path.is_empty() { name.into() } else { format!("{path}/{name}") };
                match entry.directory() {
                    Some(Directory::FixedRoot) => {}
                    Some(below) if directories.len() < MAX_DIRECTORIES => directories.push((below, path)),
                    None if clusters.contains(&entry.cluster) && names.len() <= 2 * clusters.len() => {
                        names.push(Name { path, position: entry.position, cluster: entry.cluster, size: entry.size });
                    }
                    Some(_) | None => {}
                }
                false
            })
            .await?;
        }
        Ok(names)
    }

    /// Marks the entry at `position` of the volume as removed.
    async fn remove_entry(&self, position: u64) -> Result<(), FileSystemError> {
        let block_bytes = self.volume.block_bytes()?;
        let at = self.volume.start() + position;
        let within = usize::try_from(at % block_bytes as u64).unwrap_or(0);
        let sector = (at - within as u64) / SECTOR_SIZE as u64;
        let mut block = fallible_buffer(block_bytes)?;
        let disk = self.volume.disk();
        disk.read(sector, &mut block).await?;
        block[within] = REMOVED;
        self.volume.empty_cache();
        disk.write(sector, &block).await?;
        disk.flush().await?;
        self.volume.empty_cache();
        Ok(())
    }
}
