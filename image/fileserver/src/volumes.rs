//! The files of all disks as one tree, while disks come and go.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use crate::{Archive, Entry};
use switchboard_runtime::devices::Found;
use switchboard_runtime::disk::Disk;
use switchboard_runtime::say;

/// The archives of the disks that are there, in the disks' order. Of files with the same path the first one shows.
#[derive(Debug)]
pub(super) struct Volumes {
    list: RefCell<Vec<Volume>>,
    is_reading: Cell<bool>,
}

impl Default for Volumes {
    /// None yet; which there are is not known before they were [followed](Volumes::follow).
    fn default() -> Self {
        Self { list: RefCell::default(), is_reading: Cell::new(true) }
    }
}

/// A disk that was looked at.
#[derive(Debug)]
struct Volume {
    disk: Disk,
    /// Empty when there is none.
    archive: Archive,
}

impl Volumes {
    /// Forgets the archives of disks that are gone, and indexes those of disks that have come.
    pub(super) async fn follow(&self, disks: &[Found<&Disk>]) {
        self.is_reading.set(true);
        self.list.borrow_mut().retain(|volume| disks.iter().any(|found| *found.device == volume.disk));
        for (place, found) in disks.iter().enumerate() {
            let is_known = self.list.borrow().get(place).is_some_and(|volume| volume.disk == *found.device);
            if !is_known {
                let volume = Volume { disk: found.device.clone(), archive: index(found).await };
                self.list.borrow_mut().insert(place, volume);
            }
        }
        self.is_reading.set(false);
    }

    /// Whether a disk has not told yet what is on it: what is not found may still come.
    pub(super) fn is_reading(&self) -> bool {
        self.is_reading.get()
    }

    /// The file at `path`, and the disk that it is on.
    pub(super) fn file(&self, path: &str) -> Option<(Disk, Entry)> {
        let list = self.list.borrow();
        list.iter().find_map(|volume| Some((volume.disk.clone(), volume.archive.file(path)?)))
    }

    /// What is directly in the directory `path`, as [`Archive::list`] has it.
    pub(super) fn list(&self, path: &str) -> BTreeMap<String, Option<Entry>> {
        let mut content = BTreeMap::new();
        for Volume { archive, .. } in self.list.borrow().iter() {
            for (name, entry) in archive.list(path) {
                content.entry(name.into()).or_insert(entry);
            }
        }
        content
    }

    /// How many files there are; `None` when no disk has any.
    pub(super) fn count(&self) -> Option<usize> {
        let count = self.list.borrow().iter().map(|volume| volume.archive.len()).sum();
        (count > 0).then_some(count)
    }
}

/// Indexes the archive on a disk.
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
