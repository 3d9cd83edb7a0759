//! Where the blocks of a file are: by extents (ext4) or by a block map (ext2 and ext3).

use super::Ext4;
use super::inode::Inode;
use crate::bytes::{u16_at, u32_at};
use crate::filesystem::FileSystemError;
use crate::volume::fallible_buffer;

/// The most levels of a tree of extents.
const MAX_DEPTH: u16 = 5;
/// Bytes of a node's header and of each of its entries.
const ENTRY: usize = 12;
/// An extent that is longer is allocated, but not written: it reads as zeros.
const MAX_WRITTEN: u32 = 32 * 1024;
/// The most blocks of a block map that are joined to a run.
const MAX_JOINED: u64 = 256;

/// Bytes of a file that are together.
pub(super) struct ByteRun {
    /// The first byte on the volume; `None` for zeros, which are not stored.
    pub(super) position: Option<u64>,
    pub(super) length: u64,
}

/// Blocks of a file that are together.
struct BlockRun {
    /// The first block on the volume; `None` for a hole.
    block: Option<u64>,
    count: u64,
}

impl Ext4 {
    /// Returns where the bytes of an inode from `offset` on are.
    pub(super) async fn run(&self, inode: &Inode, offset: u64) -> Result<ByteRun, FileSystemError> {
        inode.check_readable()?;
        let block_bytes = self.superblock.block_bytes;
        let (logical, skip) = (offset / block_bytes, offset % block_bytes);
        let left = inode.size.saturating_sub(offset);
        let run = if inode.has_extents() {
            self.find_extent(inode, logical).await?
        } else {
            self.find_in_map(inode, logical).await?
        };
        let length = run.count.saturating_mul(block_bytes).saturating_sub(skip).min(left);
        let Some(block) = run.block else { return Ok(ByteRun { position: None, length }) };
        let is_within = block > 0 && block.checked_add(run.count).is_some_and(|end| end <= self.superblock.blocks);
        if !is_within {
            return Err(FileSystemError::Corrupt { what: "a block of a file is outside ext4", position: block });
        }
        Ok(ByteRun { position: Some(block * block_bytes + skip), length })
    }

    async fn find_extent(&self, inode: &Inode, logical: u64) -> Result<BlockRun, FileSystemError> {
        let corrupt = |what| FileSystemError::Corrupt { what, position: logical };
        let mut node = inode.root.to_vec();
        // The first block behind what the node is for.
        let mut end = inode.size.div_ceil(self.superblock.block_bytes).max(logical + 1);
        let mut depth = u16_at(&node, 6);
        if depth > MAX_DEPTH {
            return Err(corrupt("the tree of extents is too deep"));
        }
        loop {
            let count = usize::from(u16_at(&node, 2));
            if u16_at(&node, 0) != 0xf30a || u16_at(&node, 6) != depth || (count + 1) * ENTRY > node.len() {
                return Err(corrupt("a node of the tree of extents is invalid"));
            }
            let first_of = |index: usize| u64::from(u32_at(&node, index * ENTRY));
            // The last entry that begins at or before the block; entries are counted from 1.
            let index = (1..=count).take_while(|index| first_of(*index) <= logical).last();
            let next = index.map_or(1, |index| index + 1);
            if next <= count {
                end = end.min(first_of(next).max(logical + 1));
            }
            let hole = BlockRun { block: None, count: end - logical };
            let Some(index) = index else { return Ok(hole) };
            let at = index * ENTRY;
            if depth > 0 {
                let child = u64::from(u16_at(&node, at + 8)) << 32 | u64::from(u32_at(&node, at + 4));
                node = self.block(child).await?;
                depth -= 1;
                continue;
            }
            let length = u32::from(u16_at(&node, at + 4));
            let (is_written, length) =
                if length > MAX_WRITTEN { (false, length - MAX_WRITTEN) } else { (true, length) };
            let within = logical - first_of(index);
            let Some(rest @ 1..) = u64::from(length).checked_sub(within) else { return Ok(hole) };
            if !is_written {
                return Ok(BlockRun { block: None, count: rest });
            }
            let first = u64::from(u16_at(&node, at + 6)) << 32 | u64::from(u32_at(&node, at + 8));
            return Ok(BlockRun { block: Some(first + within), count: rest });
        }
    }

    /// Finds a block in a block map, and joins those that follow it.
    async fn find_in_map(&self, inode: &Inode, logical: u64) -> Result<BlockRun, FileSystemError> {
        let first = self.mapped(inode, logical).await?;
        let mut count = 1;
        let blocks = inode.size.div_ceil(self.superblock.block_bytes);
        while count < MAX_JOINED && logical + count < blocks {
            let next = self.mapped(inode, logical + count).await?;
            if next != if first == 0 { 0 } else { first + count } {
                break;
            }
            count += 1;
        }
        Ok(BlockRun { block: (first != 0).then_some(first), count })
    }

    /// Returns the block of a file in a block map: 12 direct ones, then one block of them, then two and three levels.
    async fn mapped(&self, inode: &Inode, logical: u64) -> Result<u64, FileSystemError> {
        let per_block = self.superblock.block_bytes / 4;
        if logical < 12 {
            let at = usize::try_from(logical * 4).unwrap_or(0);
            return Ok(u32_at(&inode.root, at).into());
        }
        let (mut index, mut span) = (logical - 12, per_block);
        for level in 0..3 {
            if index < span {
                let mut block = u64::from(u32_at(&inode.root, 48 + 4 * level));
                let mut below = span / per_block;
                for _ in 0..=level {
                    if block == 0 {
                        return Ok(0);
                    }
                    self.check_block(block)?;
                    let at = block * self.superblock.block_bytes + index / below % per_block * 4;
                    block = u32::from_le_bytes(self.volume.read_array(at).await?).into();
                    below = (below / per_block).max(1);
                }
                return Ok(block);
            }
            (index, span) = (index - span, span * per_block);
        }
        Err(FileSystemError::Corrupt { what: "a file is too large for its block map", position: logical })
    }

    fn check_block(&self, block: u64) -> Result<(), FileSystemError> {
        if block == 0 || block >= self.superblock.blocks {
            return Err(FileSystemError::Corrupt { what: "a block of metadata is outside ext4", position: block });
        }
        Ok(())
    }

    /// Reads a block of metadata.
    async fn block(&self, block: u64) -> Result<alloc::vec::Vec<u8>, FileSystemError> {
        self.check_block(block)?;
        let mut bytes = fallible_buffer(usize::try_from(self.superblock.block_bytes).unwrap_or(0))?;
        self.volume.read(block * self.superblock.block_bytes, &mut bytes).await?;
        Ok(bytes)
    }
}
