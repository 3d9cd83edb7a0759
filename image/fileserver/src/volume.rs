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
    cache: Rc<RefCell<Cache>>,
}

/// The blocks of a disk that were read last.
#[derive(Debug, Default)]
struct Cache {
    blocks: Vec<CachedBlock>,
    /// The number of writes so far. A block that was being read meanwhile may be the old one, and is not kept.
    writes: u64,
}

/// A block of the disk, in the order of its last use.
#[derive(Debug)]
struct CachedBlock {
    index: u64,
    bytes: Box<[u8]>,
}

/// A block that was read.
#[derive(Debug)]
struct LoadedBlock {
    index: u64,
    bytes: Vec<u8>,
    /// The number of writes when its reading began.
    writes: u64,
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
                let block = self.load(index, block_bytes).await?;
                let present = block.bytes.get(skip..skip + part);
                now.copy_from_slice(present.ok_or(FileSystemError::PastEnd { position })?);
                self.keep(block);
            }
            (at, rest) = (at + part as u64, later);
        }
        Ok(())
    }

    /// Returns the blocks of the disk that have the `available` bytes at `position`, as far as they fit into `max_bytes`, but at least
    /// one: the first sector, the bytes of the block before the position, and those of all blocks.
    pub(crate) fn blocks(
        &self,
        position: u64,
        available: u64,
        max_bytes: usize,
    ) -> Result<(u64, usize, usize), FileSystemError> {
        let is_within = position.checked_add(available).is_some_and(|end| end <= self.size);
        if !is_within {
            return Err(FileSystemError::PastEnd { position });
        }
        let block = self.block_bytes()? as u64;
        let at = self.start + position;
        let skip = at % block;
        let whole = (max_bytes as u64 / block * block).max(block);
        let bytes = usize::try_from((skip + available).next_multiple_of(block).min(whole)).unwrap_or(0);
        Ok(((at - skip) / SECTOR_SIZE as u64, usize::try_from(skip).unwrap_or(0), bytes))
    }

    /// Reads at most `max_bytes` of whole blocks, or one block, of the `available` bytes at `position`, and passes the bytes to `take`
    /// where the device has put them: in order, in one part or several. Returns their number.
    pub(crate) async fn read_in_place(
        &self,
        position: u64,
        available: u64,
        max_bytes: usize,
        mut take: impl FnMut(&[u8]),
    ) -> Result<u64, FileSystemError> {
        let (sector, mut skip, bytes) = self.blocks(position, available, max_bytes)?;
        let length = available.min((bytes - skip) as u64);
        let mut rest = length;
        let take = |data: &[u8]| {
            let begin = skip.min(data.len());
            skip -= begin;
            let end = usize::try_from(rest).unwrap_or(usize::MAX).saturating_add(begin).min(data.len());
            rest -= (end - begin) as u64;
            take(&data[begin..end]);
        };
        self.disk.read_in_place(sector, bytes, take).await?;
        Ok(length)
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
        let cache = &mut self.cache.borrow_mut().blocks;
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

    /// Reads a block. The last block of the disk may be shorter.
    async fn load(&self, index: u64, block_bytes: usize) -> Result<LoadedBlock, FileSystemError> {
        let sectors = (block_bytes / SECTOR_SIZE) as u64;
        let sector = index.saturating_mul(sectors);
        let capacity = self.disk.geometry().ok_or(FileSystemError::gone(sector))?.capacity;
        let present = capacity.saturating_sub(sector).min(sectors);
        let length = usize::try_from(present).unwrap_or(0) * SECTOR_SIZE;
        let mut bytes = fallible_buffer(length)?;
        let writes = self.cache.borrow().writes;
        self.disk.read(sector, &mut bytes).await?;
        Ok(LoadedBlock { index, bytes, writes })
    }

    /// Adds a block to the cache.
    fn keep(&self, block: LoadedBlock) {
        let Cache { blocks, writes } = &mut *self.cache.borrow_mut();
        if *writes != block.writes {
            return;
        }
        // Another task may have read it meanwhile.
        blocks.retain(|other| other.index != block.index);
        if blocks.len() >= CACHED_BLOCKS {
            blocks.remove(0);
        }
        blocks.push(CachedBlock { index: block.index, bytes: block.bytes.into_boxed_slice() });
    }

    /// Empties the cache. To be called before the disk is written, and afterwards.
    #[cfg(feature = "write")]
    pub(crate) fn empty_cache(&self) {
        let cache = &mut *self.cache.borrow_mut();
        cache.blocks.clear();
        cache.writes += 1;
    }
}

/// Returns `length` zeros.
pub(crate) fn fallible_buffer(length: usize) -> Result<Vec<u8>, FileSystemError> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).map_err(|_| FileSystemError::NoMemory)?;
    bytes.resize(length, 0);
    Ok(bytes)
}
