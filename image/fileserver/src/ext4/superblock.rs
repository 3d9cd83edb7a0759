//! The superblock.

use alloc::string::String;

use crate::bytes::{u16_at, u32_at};
use crate::filesystem::FileSystemError;
use crate::volume::Volume;

/// Its position on the volume.
const POSITION: u64 = 1024;

// Incompatible features: one that is not known must not be read.
const JOURNAL_TO_REPLAY: u32 = 0x4;
const BITS_64: u32 = 0x80;
/// File types in directories, extents, 64 bits, protection against mounting twice, flexible groups, large attributes, a seed
/// for checksums, large directories, inline data (refused for each file), encryption (likewise), case folding.
const SUPPORTED: u32 = 0x2 | 0x40 | BITS_64 | 0x100 | 0x200 | 0x400 | 0x2000 | 0x4000 | 0x8000 | 0x1_0000 | 0x2_0000;

/// What is used of the superblock, checked.
#[derive(Debug)]
pub(super) struct Superblock {
    pub(super) block_bytes: u64,
    pub(super) blocks: u64,
    pub(super) inodes: u32,
    pub(super) inodes_per_group: u32,
    pub(super) inode_bytes: u16,
    /// The size of a group descriptor.
    pub(super) descriptor_bytes: u16,
    /// The block of the first group descriptor.
    pub(super) descriptors: u64,
    pub(super) label: String,
}

impl Superblock {
    /// Reads the superblock; `None` when there is none.
    pub(super) async fn read(volume: &Volume) -> Result<Option<Self>, FileSystemError> {
        if volume.size_bytes() < POSITION + 1024 {
            return Ok(None);
        }
        let bytes: [u8; 1024] = volume.read_array(POSITION).await?;
        if u16_at(&bytes, 0x38) != 0xef53 {
            return Ok(None);
        }
        let features = u32_at(&bytes, 0x60);
        if features & JOURNAL_TO_REPLAY != 0 {
            let what = "a file system that was not unmounted (mount it once, or run e2fsck, to replay its journal) is";
            return Err(FileSystemError::Unsupported(what));
        }
        if features & !SUPPORTED != 0 {
            return Err(FileSystemError::Unsupported("the features of this ext4 file system are"));
        }
        let corrupt = |what| FileSystemError::Corrupt { what, position: POSITION };
        let block_bytes = match u32_at(&bytes, 0x18) {
            shift @ 0..=6 => 1024 << shift,
            _ => return Err(corrupt("the block size of ext4 is invalid")),
        };
        let has_64_bits = features & BITS_64 != 0;
        let blocks_high = if has_64_bits { u64::from(u32_at(&bytes, 0x150)) } else { 0 };
        let is_old = u32_at(&bytes, 0x4c) == 0;
        let superblock = Self {
            block_bytes,
            blocks: blocks_high << 32 | u64::from(u32_at(&bytes, 0x4)),
            inodes: u32_at(&bytes, 0x0),
            inodes_per_group: u32_at(&bytes, 0x28),
            inode_bytes: if is_old { 128 } else { u16_at(&bytes, 0x58) },
            descriptor_bytes: if has_64_bits { u16_at(&bytes, 0xfe) } else { 32 },
            descriptors: u64::from(u32_at(&bytes, 0x14)) + 1,
            label: label(&bytes[0x78..0x88]),
        };
        let inode_bytes = u64::from(superblock.inode_bytes);
        let is_valid = superblock.inodes_per_group > 0
            && (128..=block_bytes).contains(&inode_bytes)
            && superblock.inode_bytes.is_power_of_two()
            && (32..=1024).contains(&superblock.descriptor_bytes)
            && superblock.descriptor_bytes.is_power_of_two();
        if !is_valid {
            return Err(corrupt("the superblock of ext4 is invalid"));
        }
        let is_within = superblock.blocks.checked_mul(block_bytes).is_some_and(|bytes| bytes <= volume.size_bytes());
        if !is_within {
            return Err(corrupt("the ext4 file system is larger than its volume"));
        }
        Ok(Some(superblock))
    }
}

/// Returns a label, which ends at the first zero.
fn label(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}
