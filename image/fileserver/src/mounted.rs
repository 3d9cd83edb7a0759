//! Volumes that were found to have a file system.

use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
#[cfg(feature = "root")]
use core::cell::Cell;
use core::cell::RefCell;
use core::fmt;

use switchboard::config::Address;
use switchboard_runtime::say;
use switchboard_runtime::share::Share;
use switchboard_runtime::system::LocalBoxFuture;

#[cfg(feature = "ext4")]
use crate::ext4::Ext4;
#[cfg(feature = "fat")]
use crate::fat::Fat;
use crate::filesystem::{FileSystem, FileSystemError};
#[cfg(feature = "p9")]
use crate::p9::P9;
#[cfg(feature = "partitions")]
use crate::partitions::partitions;
use crate::tags::TagCache;
use crate::tar::Archive;
use crate::volume::Volume;

/// A file system, or `None` when the volume has none of this kind.
pub type Opened = Result<Option<Box<dyn FileSystem>>, FileSystemError>;

/// A function that opens a kind of file system.
type Opener = dyn Fn(Volume) -> LocalBoxFuture<'static, Opened>;

/// The kinds of file systems that are added to those of this crate.
#[derive(Default)]
pub(crate) struct Openers(pub(crate) RefCell<Vec<Rc<Opener>>>);

impl fmt::Debug for Openers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} kinds", self.0.borrow().len())
    }
}

/// A volume with its file system.
#[derive(Debug)]
pub(crate) struct Mounted {
    /// Its name in paths, without a slash.
    pub(crate) name: String,
    /// The number of its partition; `None` for a whole disk, and for a share.
    #[cfg_attr(not(feature = "root"), expect(dead_code, reason = "`root=` names it"))]
    pub(crate) partition: Option<u32>,
    /// `None` for a share.
    pub(crate) volume: Option<Volume>,
    pub(crate) file_system: Box<dyn FileSystem>,
    pub(crate) tags: TagCache,
    /// A bit for each number of a file that is being written.
    #[cfg(feature = "root")]
    pub(crate) partial_files: Cell<u32>,
}

/// Finds the file systems of a disk, and logs them. Those of partitions that cannot be read are left out.
pub(crate) async fn mount(function: Address, disk: &Volume, openers: &Openers) -> Vec<Mounted> {
    match open(disk, openers, format_args!("{function}")).await {
        Ok(Some(file_system)) => return [mounted(function, None, Some(disk.clone()), file_system)].into(),
        Ok(None) => {}
        Err(error) => {
            say!("no files: {function}: {error}");
            return Vec::new();
        }
    }
    mount_partitions(function, disk, openers).await
}

#[cfg(not(feature = "partitions"))]
async fn mount_partitions(function: Address, disk: &Volume, _: &Openers) -> Vec<Mounted> {
    report_none(function, disk).await;
    Vec::new()
}

/// Finds the file systems of the partitions of a disk.
#[cfg(feature = "partitions")]
async fn mount_partitions(function: Address, disk: &Volume, openers: &Openers) -> Vec<Mounted> {
    let table = match partitions(disk).await {
        Ok(Some(table)) => table,
        Ok(None) => {
            report_none(function, disk).await;
            return Vec::new();
        }
        Err(error) => {
            say!("no files: {function}: {error}");
            return Vec::new();
        }
    };
    if let Some(warning) = table.warning {
        say!("files: {function}: {}: {warning}", table.kind);
    }
    let mut found = Vec::new();
    for partition in table.partitions {
        let number = partition.number;
        match open(&partition.volume, openers, format_args!("{function}, partition {number}")).await {
            Ok(Some(file_system)) => {
                let name = Some((number, partition.name));
                found.push(mounted(function, name, Some(partition.volume), file_system));
            }
            Ok(None) => log::info!("no files: {function}, partition {number}: no file system"),
            Err(error) => say!("no files: {function}, partition {number}: {error}"),
        }
    }
    if found.is_empty() {
        say!("no files: {function}: {}: no partition has files", table.kind);
    }
    found
}

/// Begins the session of a share, and logs it. One that fails is left out.
#[cfg(feature = "p9")]
pub(crate) async fn mount_share(function: Address, share: &Share) -> Option<Mounted> {
    match P9::open_share(share).await {
        Ok(files) => {
            log::info!("files: {function}: share {}", share.tag());
            Some(mounted(function, None, None, Box::new(files)))
        }
        Err(error) => {
            say!("no files: {function}: share {}: {error}", share.tag());
            None
        }
    }
}

/// Logs that the image has no client for shares.
#[cfg(not(feature = "p9"))]
pub(crate) async fn mount_share(function: Address, share: &Share) -> Option<Mounted> {
    say!("no files: {function}: share {}: the image has no client for 9P", share.tag());
    None
}

/// Logs why a disk has no files.
async fn report_none(function: Address, disk: &Volume) {
    if let (archive, Some(error)) = Archive::scan(disk).await
        && archive.is_empty()
    {
        say!("no files: {function}: no archive on the disk: {error}");
    } else {
        say!("no files: {function}: the disk is empty");
    }
}

/// Opens the file system on a volume, and logs what it is; `None` when there is none.
async fn open(volume: &Volume, openers: &Openers, place: fmt::Arguments<'_>) -> Opened {
    let added: Vec<_> = openers.0.borrow().clone();
    for opener in added {
        if let Some(file_system) = opener(volume.clone()).await? {
            log::info!("files: {place}: {}", file_system.kind());
            return Ok(Some(file_system));
        }
    }
    // An archive first: a file in it may be the image of another file system.
    let (archive, error) = Archive::scan(volume).await;
    if !archive.is_empty() {
        let count = archive.file_count().unwrap_or(0);
        match error {
            Some(error) => say!("files: {place}: {count} files, then {error}"),
            None => log::info!("files: {place}: {count} files"),
        }
        let skipped = archive.skipped();
        if skipped.count > 0 {
            say!("files: {place}: {} members left out, the first as {}", skipped.count, skipped.reason);
        }
        return Ok(Some(Box::new(archive)));
    }
    if let Some(crate::tar::ScanError::Disk(error @ FileSystemError::Disk(_))) = error {
        return Err(error);
    }
    #[cfg(feature = "ext4")]
    if let Some(ext4) = Ext4::open_volume(volume).await? {
        log::info!("files: {place}: ext4 {}", ext4.label());
        return Ok(Some(Box::new(ext4)));
    }
    #[cfg(feature = "fat")]
    if let Some(fat) = Fat::open_volume(volume).await? {
        log::info!("files: {place}: {} {}", fat.kind(), fat.label());
        return Ok(Some(Box::new(fat)));
    }
    Ok(None)
}

/// Names a volume: by its partition's name, its label, or its place.
fn mounted(
    function: Address,
    partition: Option<(u32, String)>,
    volume: Option<Volume>,
    file_system: Box<dyn FileSystem>,
) -> Mounted {
    let number = partition.as_ref().map(|(number, _)| *number);
    let mut name = match partition {
        Some((_, ref name)) if !name.is_empty() => name.clone(),
        _ if !file_system.label().is_empty() => file_system.label().into(),
        Some((number, _)) => format!("{function}-{number}"),
        None => format!("{function}"),
    };
    if name.contains(['/', '\0']) {
        name = name.replace(['/', '\0'], "_");
    }
    Mounted {
        name,
        partition: number,
        volume,
        file_system,
        tags: TagCache::default(),
        #[cfg(feature = "root")]
        partial_files: Cell::default(),
    }
}
