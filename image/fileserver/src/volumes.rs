//! The files of all disks and shares as one tree, while they are plugged in and removed.

use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use switchboard_runtime::devices::Found;
use switchboard_runtime::disk::Disk;
use switchboard_runtime::share::Share;
use switchboard_runtime::system::LocalBoxFuture;

use crate::filesystem::{File, FileSystemError, Node};
use crate::mounted::{Mounted, Openers, mount, mount_share};
use crate::root_volume::{Place, RootVolume};
use crate::volume::Volume;

/// The present shares, and the volumes of the present disks, in the order of their addresses. Of files with the same path the first one is
/// served; those of the volume that is written come before all others.
#[derive(Debug)]
pub(crate) struct Volumes {
    pub(crate) disks: Mounts<Disk>,
    pub(crate) shares: Mounts<Share>,
    is_indexing: Cell<bool>,
    pub(crate) openers: Openers,
    pub(crate) root: RootVolume,
}

impl Default for Volumes {
    /// No disks; until the first [update](Volumes::update) is done, they count as being indexed.
    fn default() -> Self {
        Self {
            disks: Mounts::default(),
            shares: Mounts::default(),
            is_indexing: Cell::new(true),
            openers: Openers::default(),
            root: RootVolume::default(),
        }
    }
}

/// The present devices of a class, in the order of their addresses, with the volumes of each.
#[derive(Debug)]
pub(crate) struct Mounts<D>(RefCell<Vec<(D, Vec<Rc<Mounted>>)>>);

impl<D> Default for Mounts<D> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<D: Clone + PartialEq> Mounts<D> {
    /// Drops the volumes of removed devices, and mounts those of new ones. `mount` also gets the number of the device.
    async fn update(&self, present: &[Found<&D>], mount: impl AsyncFn(usize, &Found<&D>) -> Vec<Rc<Mounted>>) {
        self.0.borrow_mut().retain(|(device, _)| present.iter().any(|found| *found.device == *device));
        for (place, found) in present.iter().enumerate() {
            let is_known = self.0.borrow().get(place).is_some_and(|(device, _)| *device == *found.device);
            if !is_known {
                let volumes = mount(place, found).await;
                self.0.borrow_mut().insert(place, (found.device.clone(), volumes));
            }
        }
    }

    /// Returns the device of a number.
    #[cfg(feature = "root")]
    pub(crate) fn device(&self, place: usize) -> Option<D> {
        self.0.borrow().get(place).map(|(device, _)| device.clone())
    }

    /// Returns all volumes, with the numbers of their devices.
    pub(crate) fn volumes(&self) -> Vec<(usize, Rc<Mounted>)> {
        let list = self.0.borrow();
        let volumes =
            list.iter().enumerate().flat_map(|(place, (_, volumes))| volumes.iter().map(move |one| (place, one)));
        volumes.map(|(place, mounted)| (place, mounted.clone())).collect()
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
    ///
    /// On the heap: what the file systems need at their start would be in the stack frame of each caller.
    #[inline(never)]
    pub(crate) fn update<'a>(&'a self, disks: &'a [Found<&'a Disk>]) -> LocalBoxFuture<'a, ()> {
        Box::pin(self.update_disks(disks))
    }

    async fn update_disks(&self, disks: &[Found<&Disk>]) {
        self.is_indexing.set(true);
        let mount = async |place, found: &Found<&Disk>| {
            let Some(volume) = Volume::of_disk(found.device) else { return Vec::new() };
            let mut volumes = Vec::new();
            for mounted in mount(found.function, &volume, &self.openers).await {
                volumes.push(self.add(Place::Disk(place), mounted).await);
            }
            volumes
        };
        self.disks.update(disks, mount).await;
        self.root.forget_removed(&self.present());
        self.is_indexing.set(false);
    }

    /// Drops the files of removed shares, and mounts new shares.
    pub(crate) async fn update_shares(&self, shares: &[Found<&Share>]) {
        let mount = async |place, found: &Found<&Share>| match mount_share(found.function, found.device).await {
            Some(mounted) => [self.add(Place::Share(place), mounted).await].into(),
            None => Vec::new(),
        };
        self.shares.update(shares, mount).await;
        self.root.forget_removed(&self.present());
    }

    /// Gives a volume a name of its own, and makes it the one that is written, if the command line names it.
    async fn add(&self, place: Place, mounted: Mounted) -> Rc<Mounted> {
        let mounted = self.with_unique_name(mounted);
        self.root.offer(place, mounted).await
    }

    /// Adds a number to the name of a volume that another one has.
    fn with_unique_name(&self, mut mounted: Mounted) -> Mounted {
        let known = self.present();
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

    fn present(&self) -> Vec<Rc<Mounted>> {
        self.shares.volumes().into_iter().chain(self.disks.volumes()).map(|(_, mounted)| mounted).collect()
    }

    /// Returns all volumes, in the order in which files are looked for.
    pub(crate) fn all(&self) -> Vec<Rc<Mounted>> {
        let mut all = self.present();
        if let Some(place) = all.iter().position(|mounted| self.root.is_it(mounted)) {
            all[..=place].rotate_right(1);
        }
        all
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
        let all = self.present();
        (!all.is_empty()).then(|| all.iter().filter_map(|volume| volume.file_system.file_count()).sum())
    }
}
