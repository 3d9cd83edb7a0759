//! The files of all disks as one tree, while disks are plugged in and removed.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use crate::archive::{Archive, Entry};
use switchboard_runtime::devices::Found;
use switchboard_runtime::disk::Disk;
use switchboard_runtime::say;

/// The archives of the present disks, in the disks' order. Of files with the same path the first one is served.
#[derive(Debug)]
pub(super) struct Volumes {
    list: RefCell<Vec<Volume>>,
    is_indexing: Cell<bool>,
}

impl Default for Volumes {
    /// No disks; until the first [update](Volumes::update) is done, they count as being indexed.
    fn default() -> Self {
        Self { list: RefCell::default(), is_indexing: Cell::new(true) }
    }
}

/// An indexed disk.
#[derive(Debug)]
struct Volume {
    disk: Disk,
    /// Empty when the disk has no archive.
    archive: Archive,
}

impl Volumes {
    /// Drops the archives of removed disks, and indexes those of new disks.
    pub(super) async fn update(&self, disks: &[Found<&Disk>]) {
        self.is_indexing.set(true);
        self.list.borrow_mut().retain(|volume| disks.iter().any(|found| *found.device == volume.disk));
        for (place, found) in disks.iter().enumerate() {
            let is_known = self.list.borrow().get(place).is_some_and(|volume| volume.disk == *found.device);
            if !is_known {
                let volume = Volume { disk: found.device.clone(), archive: index(found).await };
                self.list.borrow_mut().insert(place, volume);
            }
        }
        self.is_indexing.set(false);
    }

    /// Returns whether a disk is still being indexed: a file that is not found may be on it.
    pub(super) fn is_indexing(&self) -> bool {
        self.is_indexing.get()
    }

    /// Returns the file at `path`, and its disk.
    pub(super) fn file(&self, path: &str) -> Option<(Disk, Entry)> {
        let list = self.list.borrow();
        list.iter().find_map(|volume| Some((volume.disk.clone(), volume.archive.file(path)?)))
    }

    /// Returns the content of the directory `path` on all disks, as [`Archive::list`] does.
    pub(super) fn list(&self, path: &str) -> BTreeMap<String, Option<Entry>> {
        let mut content = BTreeMap::new();
        for Volume { archive, .. } in self.list.borrow().iter() {
            for (name, entry) in archive.list(path) {
                content.entry(name.into()).or_insert(entry);
            }
        }
        content
    }

    /// Returns the number of files; `None` when no disk has any.
    pub(super) fn count(&self) -> Option<usize> {
        let count = self.list.borrow().iter().map(|volume| volume.archive.len()).sum();
        (count > 0).then_some(count)
    }
}

/// Indexes the archive on a disk, and logs the result.
async fn index(Found { function, device, .. }: &Found<&Disk>) -> Archive {
    let (archive, error) = Archive::scan(*device).await;
    match error {
        Some(error) if archive.is_empty() => say!("no files: {function}: no archive on the disk: {error}"),
        Some(error) => say!("files: {function}: {} files, then {error}", archive.len()),
        None if archive.is_empty() => say!("no files: {function}: the disk is empty"),
        None => log::info!("files: {function}: {} files", archive.len()),
    }
    archive
}
