//! The choice of the volume that `root=` names.

use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt;

use switchboard_runtime::command_line::RootName;
use switchboard_runtime::say;
use switchboard_runtime::system::LocalBoxFuture;

use crate::filesystem::FileSystemError;
use crate::mounted::Mounted;
use crate::partitions::partitions;
use crate::root::{RootError, RootFiles};
use crate::upload::{PARTIAL, Partial};
use crate::volume::Volume;
use crate::volumes::Volumes;

/// The most volumes that an error lists.
const MAX_LISTED: usize = 16;

/// The number of a device of its class.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    Disk(usize),
    Share(usize),
}

/// The place of a volume, as it is written in `root=`.
struct PlaceOf<'a>(Place, &'a Mounted);

impl fmt::Display for PlaceOf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, self.1.partition) {
            (Place::Share(share), _) => write!(f, "share{share}"),
            (Place::Disk(disk), None) => write!(f, "disk{disk}"),
            (Place::Disk(disk), Some(partition)) => write!(f, "disk{disk}p{partition}"),
        }
    }
}

/// The volume that is written.
#[derive(Debug, Default)]
pub(crate) struct RootVolume {
    name: Cell<Option<RootName<'static>>>,
    /// The volume, or why it is not written; `None` while it is not there.
    state: RefCell<Option<Result<Rc<Mounted>, RootError>>>,
}

impl RootVolume {
    pub(crate) fn set_name(&self, name: Option<RootName<'static>>) {
        self.name.set(name);
    }

    pub(crate) fn is_it(&self, mounted: &Rc<Mounted>) -> bool {
        matches!(&*self.state.borrow(), Some(Ok(root)) if Rc::ptr_eq(root, mounted))
    }

    /// Drops the volume, if it is not among those that are present.
    pub(crate) fn forget_removed(&self, present: &[Rc<Mounted>]) {
        let is_gone = match &*self.state.borrow() {
            Some(Ok(root)) => !present.iter().any(|mounted| Rc::ptr_eq(mounted, root)),
            Some(Err(_)) | None => false,
        };
        if is_gone {
            say!("the volume that was written is gone");
            self.state.replace(None);
        }
    }

    fn is_named(&self, place: Place, mounted: &Mounted) -> bool {
        match (self.name.get(), place) {
            (Some(RootName::Volume(name)), _) => mounted.name == name,
            (Some(RootName::Disk { disk, partition }), Place::Disk(place)) => {
                (disk, partition) == (place, mounted.partition)
            }
            (Some(RootName::Share(share)), Place::Share(place)) => share == place,
            _ => false,
        }
    }

    /// Makes a volume the one that is written, if the command line names it, and no other one is written.
    pub(crate) async fn offer(&self, place: Place, mut mounted: Mounted) -> Rc<Mounted> {
        let is_taken = matches!(&*self.state.borrow(), Some(Ok(_)));
        if is_taken || !self.is_named(place, &mounted) {
            return Rc::new(mounted);
        }
        let made = make_writable(&mut mounted).await;
        let (place, kind) = (PlaceOf(place, &mounted).to_string(), mounted.file_system.kind());
        match &made {
            Ok(()) => log::info!("files: {place} is written: {kind} {}", mounted.name),
            Err(error) => say!("files: root={place} is not written: {error}"),
        }
        let mounted = Rc::new(mounted);
        if made.is_ok()
            && let Some(files) = RootFiles::new(mounted.clone())
            && let Err(error) = recover(&files).await
        {
            say!("files: root={place}: {PARTIAL}: {error}");
        }
        self.state.replace(Some(made.map(|()| mounted.clone())));
        mounted
    }
}

// Both are on the heap: what they need would be in the stack frame of each function above, to the app's.

#[inline(never)]
fn recover(files: &RootFiles) -> LocalBoxFuture<'_, Result<(), FileSystemError>> {
    Box::pin(Partial::recover(files))
}

#[inline(never)]
fn make_writable(mounted: &mut Mounted) -> LocalBoxFuture<'_, Result<(), RootError>> {
    Box::pin(open_to_write(mounted))
}

/// Opens the file system of a volume once more, to be written.
async fn open_to_write(mounted: &mut Mounted) -> Result<(), RootError> {
    if mounted.file_system.writer().is_some() {
        return Ok(());
    }
    let kind = mounted.file_system.kind();
    #[cfg(feature = "write")]
    if let Some(volume) = &mounted.volume
        && let Some(fat) = crate::fat::WritableFat::open_volume(volume).await?
    {
        if fat.was_repaired() {
            say!("files: a rename that a loss of power had cut was ended");
        }
        mounted.file_system = Box::new(fat);
        return Ok(());
    }
    Err(RootError::NotWritable { kind })
}

impl Volumes {
    /// Returns the files of the volume that `root=` names.
    pub(crate) async fn root(&self) -> Result<RootFiles, RootError> {
        let name = self.root.name.get().ok_or(RootError::NotNamed)?;
        let state = self.root.state.borrow().clone();
        match state {
            Some(Ok(mounted)) => {
                let kind = mounted.file_system.kind();
                RootFiles::new(mounted).ok_or(RootError::NotWritable { kind })
            }
            Some(Err(error)) => Err(error),
            None if self.has_unknown(name).await => Err(RootError::UnknownFileSystem { name }),
            None => Err(RootError::NoVolume { name, present: self.list() }),
        }
    }

    /// Returns the path on the root volume of one below the prefix; `None` for one on another volume.
    pub(crate) fn path_on_root<'a>(&self, files: &RootFiles, path: &'a str) -> Option<&'a str> {
        match self.select(path) {
            (volumes, rest) if rest.len() < path.len() => {
                volumes.first().is_some_and(|volume| Rc::ptr_eq(volume, files.mounted())).then_some(rest)
            }
            (_, rest) => Some(rest),
        }
    }

    /// Returns whether there is such a disk, and such a partition of it, but none of its file systems is known.
    async fn has_unknown(&self, name: RootName<'_>) -> bool {
        let RootName::Disk { disk, partition } = name else { return false };
        let Some(volume) = self.disks.device(disk).as_ref().and_then(Volume::of_disk) else { return false };
        let table = partitions(&volume).await.ok().flatten();
        match partition {
            None => table.is_none(),
            Some(number) => table.is_some_and(|table| table.partitions.iter().any(|one| one.number == number)),
        }
    }

    /// Returns the volumes as `root=` names them.
    fn list(&self) -> String {
        let disks = self.disks.volumes().into_iter().map(|(place, mounted)| (Place::Disk(place), mounted));
        let shares = self.shares.volumes().into_iter().map(|(place, mounted)| (Place::Share(place), mounted));
        let volumes = disks.chain(shares).take(MAX_LISTED);
        let names: Vec<_> = volumes
            .map(|(place, mounted)| format!("{} ({})", PlaceOf(place, &mounted), mounted.file_system.kind()))
            .collect();
        if names.is_empty() { "none".into() } else { names.join(", ") }
    }
}
