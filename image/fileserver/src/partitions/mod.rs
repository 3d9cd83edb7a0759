//! Partition tables: MBR with logical partitions, and GPT.

#[cfg(feature = "partitions")]
mod gpt;
#[cfg(feature = "partitions")]
mod mbr;

use alloc::string::String;
use alloc::vec::Vec;

use crate::filesystem::FileSystemError;
use crate::volume::Volume;

/// The most partitions of a disk that are used.
#[cfg(feature = "partitions")]
pub(crate) const MAX_PARTITIONS: usize = 128;

/// A partition of a disk.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Partition {
    /// Its number: 1 to 4 for the primary partitions of an MBR, from 5 on for its logical ones, as Linux counts them.
    pub number: u32,
    /// Its name in a GPT; empty in an MBR.
    pub name: String,
    /// Its bytes.
    pub volume: Volume,
}

/// The partitions of a disk.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct PartitionTable {
    /// The kind of the table: "GPT" or "MBR".
    pub kind: &'static str,
    /// The valid partitions, in the order of their numbers.
    pub partitions: Vec<Partition>,
    /// What is wrong with the table, if it can be used nevertheless.
    pub warning: Option<&'static str>,
}

/// Reads the partition table of a disk; `None` when it has none.
///
/// ```
/// use embassy_futures::block_on;
/// use switchboard_fileserver::{Volume, partitions};
/// use switchboard_runtime::devices::{DeviceOptions, FromDriver};
/// use switchboard_runtime::disk::{Disk, MemoryDisk};
///
/// let mut image = vec![0; 64 * 512];
/// image[510..512].copy_from_slice(&[0x55, 0xaa]);
/// // The second entry: type 0x83, 16 sectors from sector 8 on.
/// image[462..478].copy_from_slice(&[0, 0, 0, 0, 0x83, 0, 0, 0, 8, 0, 0, 0, 16, 0, 0, 0]);
///
/// let disk = Disk::from_driver(MemoryDisk::new(&image), DeviceOptions::default());
/// let table = block_on(partitions(&Volume::of_disk(&disk).unwrap()))?.expect("there is an MBR");
/// let found: Vec<_> = table.partitions.iter().map(|one| (one.number, one.volume.start(), one.volume.size_bytes())).collect();
/// assert_eq!((table.kind, found), ("MBR", vec![(2, 8 * 512, 16 * 512)]));
/// # Ok::<_, switchboard_fileserver::FileSystemError>(())
/// ```
///
/// # Errors
/// [`FileSystemError::Disk`]; what is wrong in the table itself leaves partitions out, or makes the table none.
pub async fn partitions(disk: &Volume) -> Result<Option<PartitionTable>, FileSystemError> {
    // The unit of both tables is the logical block. An image may have been made for a disk with another size of blocks.
    let block_bytes = disk.block_bytes()? as u64;
    read_table(disk, block_bytes).await
}

/// Without the feature, no code of the tables is in the image: an `async` function is there as a whole, whatever it returns first.
#[cfg(not(feature = "partitions"))]
async fn read_table(_: &Volume, _: u64) -> Result<Option<PartitionTable>, FileSystemError> {
    Ok(None)
}

#[cfg(feature = "partitions")]
async fn read_table(disk: &Volume, block_bytes: u64) -> Result<Option<PartitionTable>, FileSystemError> {
    for unit in [block_bytes, if block_bytes == 512 { 4096 } else { 512 }] {
        if let Some(table) = gpt::read(disk, unit).await? {
            return Ok(Some(table));
        }
    }
    for unit in [block_bytes, 512] {
        if let Some(table) = mbr::read(disk, unit).await? {
            return Ok(Some(table));
        }
    }
    Ok(None)
}

/// Returns a partition by its first block and number of blocks; `None` when it is empty or not within the disk.
#[cfg(feature = "partitions")]
fn part(disk: &Volume, unit: u64, first: u64, blocks: u64) -> Option<Volume> {
    disk.part(first.checked_mul(unit)?, blocks.checked_mul(unit)?)
}
