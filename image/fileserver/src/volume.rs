//! A disk, or a partition of it, as bytes at any position, with a small cache for what file systems read to find a file.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;

use switchboard_drivers::interfaces::block::{BlockDevice, SECTOR_SIZE};
use switchboard_runtime::disk::Disk;

use crate::filesystem::FileSystemError;

/// The size of a cached block, unless the disk's logical blocks are larger.
const BLOCK_BYTES: usize = 4096;
/// The number of cached blocks of a volume.
const CACHED_BLOCKS: usize = 16;

/// A range of a disk's sectors, which holds a file system: the whole disk, or a partition.
///
/// ```
/// use embassy_futures::block_on;
/// use switchboard_fileserver::Volume;
/// use switchboard_runtime::devices::{DeviceOptions, FromDriver};
/// use switchboard_runtime::disk::{Disk, MemoryDisk};
///
/// let disk = Disk::from_driver(MemoryDisk::new(b"0123456789abcdef".repeat(512).as_slice()), DeviceOptions::default());
/// let volume = Volume::of_disk(&disk).expect("the disk is present");
/// let mut bytes = [0; 4];
/// block_on(volume.read(4094, &mut bytes))?;
/// assert_eq!((&bytes, volume.size_bytes()), (b"ef01", 8192));
/// # Ok::<_, switchboard_fileserver::FileSystemError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Volume {
    disk: Disk,
    /// The first byte on the disk.
    start: u64,
    size: u64,
    cache: Rc<RefCell<Vec<CachedBlock>>>,
}

/// A block of the disk, in the order of its last use.
#[derive(Debug)]
struct CachedBlock {
    index: u64,
    bytes: Box<[u8]>,
}

impl Volume {
    /// Returns the whole disk as a volume; `None` when the disk was removed.
    #[must_use]
    pub fn of_disk(disk: &Disk) -> Option<Self> {
        let size = disk.geometry()?.capacity.saturating_mul(SECTOR_SIZE as u64);
        Some(Self { disk: disk.clone(), start: 0, size, cache: Rc::default() })
    }

    /// Returns the part of the volume from the byte `start` on; `None` when it is empty or reaches past the end. It shares
    /// the cache.
    #[must_use]
    pub fn part(&self, start: u64, size: u64) -> Option<Self> {
        let end = start.checked_add(size).filter(|end| *end <= self.size && size > 0)?;
        let part = Self { start: self.start.checked_add(start)?, size: end - start, ..self.clone() };
        Some(part)
    }

    /// Returns the disk.
    #[must_use]
    pub const fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Returns the first byte of the volume on its disk.
    #[must_use]
    pub const fn start(&self) -> u64 {
        self.start
    }

    /// Returns the size in bytes.
    #[must_use]
    pub const fn size_bytes(&self) -> u64 {
        self.size
    }

    /// Returns the size of the disk's logical blocks.
    ///
    /// # Errors
    /// [`FileSystemError::Disk`] when the disk was removed.
    pub fn block_bytes(&self) -> Result<usize, FileSystemError> {
        let geometry = self.disk.geometry();
        Ok(geometry.ok_or(FileSystemError::gone(self.start / SECTOR_SIZE as u64))?.block_bytes)
    }

    /// Fills `buffer` with the bytes from `position` on, through the cache.
    ///
    /// # Errors
    /// [`FileSystemError`] of the disk, or for bytes past the end of the volume.
    pub async fn read(&self, position: u64, buffer: &mut [u8]) -> Result<(), FileSystemError> {
        let end = position.checked_add(buffer.len() as u64).filter(|end| *end <= self.size);
        end.ok_or(FileSystemError::PastEnd { position })?;
        let (mut at, mut rest) = (self.start + position, buffer);
        let block_bytes = self.block_bytes()?.max(BLOCK_BYTES);
        while !rest.is_empty() {
            let (index, skip) = (at / block_bytes as u64, at % block_bytes as u64);
            // Less than a block.
            let skip = usize::try_from(skip).unwrap_or(0);
            let part = rest.len().min(block_bytes - skip);
            let (now, later) = rest.split_at_mut(part);
            if !self.copy_cached(index, skip, now) {
                self.load(index, block_bytes).await?;
                if !self.copy_cached(index, skip, now) {
                    return Err(FileSystemError::PastEnd { position });
                }
            }
            (at, rest) = (at + part as u64, later);
        }
        Ok(())
    }

    /// Reads bytes through the cache as an array.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn read_array<const N: usize>(&self, position: u64) -> Result<[u8; N], FileSystemError> {
        let mut bytes = [0; N];
        self.read(position, &mut bytes).await?;
        Ok(bytes)
    }

    /// Copies bytes of a cached block, if it is in the cache and has them.
    fn copy_cached(&self, index: u64, skip: usize, out: &mut [u8]) -> bool {
        let cache = &mut *self.cache.borrow_mut();
        let Some(place) = cache.iter().position(|block| block.index == index) else { return false };
        let Some(bytes) = cache[place].bytes.get(skip..skip + out.len()) else { return false };
        out.copy_from_slice(bytes);
        // The last is the one used last.
        if place + 1 < cache.len() {
            let block = cache.remove(place);
            cache.push(block);
        }
        true
    }

    /// Reads a block into the cache. The last block of the disk may be shorter.
    async fn load(&self, index: u64, block_bytes: usize) -> Result<(), FileSystemError> {
        let sectors = (block_bytes / SECTOR_SIZE) as u64;
        let sector = index.saturating_mul(sectors);
        let capacity = self.disk.geometry().ok_or(FileSystemError::gone(sector))?.capacity;
        let present = capacity.saturating_sub(sector).min(sectors);
        let length = usize::try_from(present).unwrap_or(0) * SECTOR_SIZE;
        let mut bytes = fallible_buffer(length)?;
        self.disk.read(sector, &mut bytes).await?;
        let cache = &mut *self.cache.borrow_mut();
        // Another task may have read it meanwhile.
        cache.retain(|block| block.index != index);
        if cache.len() >= CACHED_BLOCKS {
            cache.remove(0);
        }
        cache.push(CachedBlock { index, bytes: bytes.into_boxed_slice() });
        Ok(())
    }
}

/// Returns `length` zeros.
pub(crate) fn fallible_buffer(length: usize) -> Result<Vec<u8>, FileSystemError> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).map_err(|_| FileSystemError::NoMemory)?;
    bytes.resize(length, 0);
    Ok(bytes)
}
