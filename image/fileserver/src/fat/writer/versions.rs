//! The versions of the files that are being read.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use core::cell::{Cell, RefCell};

use crate::filesystem::{File, FileSystemError};

/// The most files that are kept: more than the connections that read files at the same time.
const MAX_OPEN: usize = 512;
/// The most files whose changes are counted each by itself.
const MAX_CHANGED: usize = 1024;

/// The files that were opened, each with a number that no other version of it has.
#[derive(Debug, Default)]
pub(super) struct Versions {
    /// In the order of their first use.
    open: RefCell<VecDeque<OpenFile>>,
    next_id: Cell<u64>,
    /// The number of changes of the file system so far.
    changes: Cell<u64>,
    /// The number of the last change of files, by their first clusters.
    changed: RefCell<BTreeMap<u32, u64>>,
    /// The last change of all other files.
    others_changed: Cell<u64>,
}

#[derive(Debug)]
struct OpenFile {
    id: u64,
    path: String,
    cluster: u32,
    size: u64,
    modified: Option<u64>,
    /// The number of its last change.
    changed: u64,
    /// The number of changes of the file system when it was last known to be the file at its path.
    checked: u64,
}

impl Versions {
    /// Returns a file with the number of its version.
    pub(super) fn file(&self, path: &str, cluster: u32, file: File) -> File {
        let changed = self.changed.borrow().get(&cluster).copied().unwrap_or(self.others_changed.get());
        let open = &mut *self.open.borrow_mut();
        let is_it = |one: &OpenFile| {
            (one.cluster, one.size, one.modified, one.changed) == (cluster, file.size, file.modified, changed)
                && one.path == path
        };
        if let Some(known) = open.iter_mut().rfind(|one| is_it(one)) {
            known.checked = self.changes.get();
            return File { id: known.id, ..file };
        }
        let id = self.next_id.get() + 1;
        self.next_id.set(id);
        if open.len() >= MAX_OPEN {
            open.pop_front();
        }
        let (size, modified, checked) = (file.size, file.modified, self.changes.get());
        open.push_back(OpenFile { id, path: path.into(), cluster, size, modified, changed, checked });
        File { id, ..file }
    }

    /// Returns the path and first cluster of a file that was opened.
    pub(super) fn find(&self, id: u64) -> Option<(String, u32)> {
        self.open.borrow().iter().rfind(|one| one.id == id).map(|one| (one.path.clone(), one.cluster))
    }

    /// Returns whether the file system has changed since the file was found at its path.
    pub(super) fn is_stale(&self, id: u64) -> bool {
        self.open.borrow().iter().rfind(|one| one.id == id).is_none_or(|one| one.checked != self.changes.get())
    }

    /// Notes whether a file is still at its path; a file that is not is forgotten.
    pub(super) fn set_checked(&self, id: u64, is_same: bool) -> Result<(), FileSystemError> {
        let open = &mut *self.open.borrow_mut();
        if !is_same {
            open.retain(|one| one.id != id);
            return Err(FileSystemError::Changed);
        }
        if let Some(known) = open.iter_mut().rfind(|one| one.id == id) {
            known.checked = self.changes.get();
        }
        Ok(())
    }

    /// Counts a change of the file system.
    pub(super) fn note_change(&self) {
        self.changes.set(self.changes.get() + 1);
    }

    /// Counts a change of the file with this first cluster.
    pub(super) fn note_file_change(&self, cluster: u32) {
        self.note_change();
        let changed = &mut *self.changed.borrow_mut();
        if changed.len() >= MAX_CHANGED {
            changed.clear();
            self.others_changed.set(self.changes.get());
        }
        changed.insert(cluster, self.changes.get());
    }
}
