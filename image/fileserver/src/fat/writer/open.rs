//! Opening a volume to be written: what a loss of power has left is checked before.
//!
//! `hadris-fat` clears the bit of FAT16 and FAT32 for a clean file system before its first write, and sets it at a sync. Where it is
//! clear, and on FAT12, which has none, the whole file system is checked. Errors that only lose room are left as they are, a rename
//! that was cut is ended, and with any other error nothing is written.

use alloc::string::String;
use alloc::vec::Vec;

use hadris_fat::Detail;
use hadris_fat::async_::{FatFs, check};
use hadris_fat::{CacheOptions, FatKind};
use hadris_fs::{Clock, DateTime, Finding, MountOptions, Severity};
use switchboard_drivers::interfaces::block::BlockDevice;
use switchboard_runtime::say;
use switchboard_runtime::wall_clock;

use super::changes::error;
use super::device::Device;
use super::versions::Versions;
use super::{Mutex, WritableFat};
use crate::fat::Fat;
use crate::filesystem::FileSystemError;
use crate::root::RootError;
use crate::volume::{Volume, fallible_buffer};

/// The memory of a check: a path, and a bit for each of 120,000 clusters at a time.
const SCRATCH_BYTES: usize = 16 * 1024;
/// The most files with the clusters of another one that are looked at.
const MAX_CROSS_LINKS: usize = 8;
/// The blocks of metadata, and the places in files, that are kept.
const CACHED_BLOCKS: usize = 16;
const CACHED_POSITIONS: usize = 32;
/// The most nodes at a time. None is pinned for long.
const MAX_NODES: usize = 4096;

/// The time of day for new entries; 1980 until it is known.
struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> DateTime {
        let seconds = wall_clock::now().and_then(|time| i64::try_from(time.seconds()).ok());
        let now = seconds.and_then(|seconds| DateTime::from_unix_seconds(seconds).ok());
        now.unwrap_or_else(|| hadris_fs::NoClock.now())
    }
}

/// What a check found.
#[derive(Debug, Default)]
struct Findings {
    /// The number of those that lose room, and nothing else.
    harmless: u64,
    /// The first one because of which nothing may be written.
    harmful: Option<(&'static str, String)>,
    /// The paths of files that have clusters of another file.
    cross_links: Vec<String>,
}

impl Findings {
    fn add(&mut self, finding: &Finding<'_>) {
        let path = || finding.path().map_or_else(String::new, |path| String::from_utf8_lossy(path).into_owned());
        match Detail::from_code(finding.detail()) {
            _ if finding.severity() == Severity::Notice => {}
            Some(
                // It was good enough to be mounted.
                Detail::BootSector
                | Detail::LostClusters
                | Detail::SizeMismatch
                | Detail::FatCopiesDiffer
                | Detail::FreeCount
                | Detail::FsInfo
                | Detail::BackupBootSector
                | Detail::OrphanLfn
                | Detail::LfnChecksum
                | Detail::BadName
                | Detail::DirectorySize
                | Detail::Label,
            ) => self.harmless += 1,
            Some(Detail::CrossLink) => {
                self.harmful.get_or_insert_with(|| (finding.message(), path()));
                if self.cross_links.len() < MAX_CROSS_LINKS && !self.cross_links.contains(&path()) {
                    self.cross_links.push(path());
                }
            }
            _ => self.harmful = Some((finding.message(), path())),
        }
    }
}

async fn find_errors(device: &mut Device) -> Result<Findings, FileSystemError> {
    let mut scratch = fallible_buffer(SCRATCH_BYTES)?;
    let mut findings = Findings::default();
    check(device, &mut scratch, |finding| findings.add(finding)).await.map_err(error)?;
    Ok(findings)
}

async fn mount(device: Device) -> Result<FatFs<Device>, FileSystemError> {
    let options = MountOptions::new().with_clock(&WallClock).with_node_limit(MAX_NODES);
    let cache = CacheOptions::new().with_blocks(CACHED_BLOCKS).with_chain_positions(CACHED_POSITIONS);
    let mounted = FatFs::mount(device, options).await.map_err(|failed| error(failed.into_error()))?;
    Ok(mounted.with_cache(cache))
}

impl WritableFat {
    /// Opens the file system on `volume` to be written; `None` when there is no FAT.
    ///
    /// # Errors
    /// [`RootError::ReadOnlyDisk`], [`RootError::Dirty`] for one that has to be repaired before, and [`RootError::FileSystem`].
    pub async fn open_volume(volume: &Volume) -> Result<Option<Self>, RootError> {
        let Some(reader) = Fat::open_volume(volume).await? else { return Ok(None) };
        let geometry = volume.disk().geometry().ok_or(FileSystemError::gone(0))?;
        if geometry.is_read_only {
            return Err(RootError::ReadOnlyDisk);
        }
        let mut fat = mount(Device::new(volume)?).await?;
        let mut was_repaired = false;
        if fat.was_dirty() || fat.info().kind() == FatKind::Fat12 {
            let mut device = fat.into_inner();
            let mut findings = find_errors(&mut device).await?;
            if !findings.cross_links.is_empty() && reader.end_renames(&findings.cross_links).await? {
                was_repaired = true;
                findings = find_errors(&mut device).await?;
            }
            if let Some((what, path)) = findings.harmful {
                return Err(RootError::Dirty { what, path });
            }
            fat = mount(device).await?;
            match findings.harmless {
                0 => fat.mark_clean().map_err(error)?,
                count => say!("files: {count} errors of a loss of power cost room; fsck.fat gets it back"),
            }
        }
        Ok(Some(Self { reader, writer: Mutex::new(fat), versions: Versions::default(), was_repaired }))
    }
}

impl From<FileSystemError> for RootError {
    fn from(error: FileSystemError) -> Self {
        Self::FileSystem { error }
    }
}
