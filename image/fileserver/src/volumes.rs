//! The files of all disks and shares as one tree, while they are plugged in and removed.

use alloc::format;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use crate::filesystem::{File, FileSystemError, Node};
use crate::mounted::{Mounted, Openers, mount, mount_share};
use crate::volume::Volume;
use switchboard_runtime::devices::Found;
use switchboard_runtime::disk::Disk;
use switchboard_runtime::share::Share;

/// The present shares, and the volumes of the present disks, in the order of their addresses. Of files with the same path the first one is served.
#[derive(Debug)]
pub(crate) struct Volumes {
    disks: RefCell<Vec<(Disk, Vec<Rc<Mounted>>)>>,
    /// The shares; `None` for one that could not be mounted.
    shares: RefCell<Vec<(Share, Option<Rc<Mounted>>)>>,
    is_indexing: Cell<bool>,
    pub(crate) openers: Openers,
}

impl Default for Volumes {
    /// No disks; until the first [update](Volumes::update) is done, they count as being indexed.
    fn default() -> Self {
        Self {
            disks: RefCell::default(),
            shares: RefCell::default(),
            is_indexing: Cell::new(true),
            openers: Openers::default(),
        }
    }
}

/// What a path leads to on all volumes.
#[derive(Debug)]
pub(crate) enum Entry {
    File(Rc<Mounted>, File),
    /// A directory, on one volume or several.
    Directory,
}

impl Volumes {
    /// Drops the volumes of removed disks, and finds those of new disks.
    pub(crate) async fn update(&self, disks: &[Found<&Disk>]) {
        self.is_indexing.set(true);
        self.disks.borrow_mut().retain(|(disk, _)| disks.iter().any(|found| *found.device == *disk));
        for (place, found) in disks.iter().enumerate() {
            let is_known = self.disks.borrow().get(place).is_some_and(|(disk, _)| *disk == *found.device);
            if !is_known {
                let volumes = match Volume::of_disk(found.device) {
                    Some(volume) => mount(found.function, &volume, &self.openers).await,
                    None => Vec::new(),
                };
                let volumes = volumes.into_iter().map(|mounted| Rc::new(self.with_unique_name(mounted))).collect();
                self.disks.borrow_mut().insert(place, (found.device.clone(), volumes));
            }
        }
        self.is_indexing.set(false);
    }

    /// Drops the files of removed shares, and mounts new shares.
    pub(crate) async fn update_shares(&self, shares: &[Found<&Share>]) {
        self.shares.borrow_mut().retain(|(share, _)| shares.iter().any(|found| *found.device == *share));
        for (place, found) in shares.iter().enumerate() {
            let is_known = self.shares.borrow().get(place).is_some_and(|(share, _)| *share == *found.device);
            if !is_known {
                let mounted = mount_share(found.function, found.device).await;
                let mounted = mounted.map(|mounted| Rc::new(self.with_unique_name(mounted)));
                self.shares.borrow_mut().insert(place, (found.device.clone(), mounted));
            }
        }
    }

    /// Adds a number to the name of a volume that another one has.
    fn with_unique_name(&self, mut mounted: Mounted) -> Mounted {
        let known = self.all();
        let is_taken = |name: &str| known.iter().any(|other| other.name == name);
        if is_taken(&mounted.name) {
            let mut names = (2..).map(|number| format!("{}-{number}", mounted.name));
            mounted.name = names.find(|name| !is_taken(name)).unwrap_or_default();
        }
        mounted
    }

    /// Returns whether a disk is still being indexed: a file that is not found may be on it.
    pub(crate) fn is_indexing(&self) -> bool {
        self.is_indexing.get()
    }

    /// Returns all volumes.
    pub(crate) fn all(&self) -> Vec<Rc<Mounted>> {
        let (shares, disks) = (self.shares.borrow(), self.disks.borrow());
        let shared = shares.iter().filter_map(|(_, mounted)| mounted.clone());
        shared.chain(disks.iter().flat_map(|(_, volumes)| volumes.iter().cloned())).collect()
    }

    /// Returns the volumes that a path is looked up on, and the rest of the path: `@NAME/..` names one of them.
    pub(crate) fn select<'a>(&self, path: &'a str) -> (Vec<Rc<Mounted>>, &'a str) {
        let all = self.all();
        if let Some(rest) = path.strip_prefix('@') {
            let (name, rest) = rest.split_once('/').unwrap_or((rest, ""));
            if let Some(volume) = all.iter().find(|volume| volume.name == name) {
                return ([volume.clone()].into(), rest);
            }
        }
        (all, path)
    }

    /// Returns what a path leads to on some volumes; an error if nothing was found, and one of them could not be read.
    pub(crate) async fn find(volumes: &[Rc<Mounted>], path: &str) -> Result<Option<Entry>, FileSystemError> {
        let (mut is_directory, mut failed) = (false, None);
        for volume in volumes {
            match volume.file_system.open(path).await {
                Ok(Some(Node::File(file))) => return Ok(Some(Entry::File(volume.clone(), file))),
                Ok(Some(Node::Directory)) => is_directory = true,
                Ok(None) => {}
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        match failed {
            _ if is_directory => Ok(Some(Entry::Directory)),
            Some(error) => Err(error),
            None => Ok(None),
        }
    }

    /// Returns the number of files, as far as it is known; `None` when no disk has any.
    pub(crate) fn count(&self) -> Option<usize> {
        let all = self.all();
        (!all.is_empty()).then(|| all.iter().filter_map(|volume| volume.file_system.file_count()).sum())
    }
}
