//! Inodes: what a file is, and the root of the tree of its blocks.

use alloc::string::String;

use super::Ext4;
use crate::bytes::{u16_at, u32_at};
use crate::filesystem::{FileSystemError, MAX_PATH_BYTES};
use crate::volume::fallible_buffer;

const EXTENTS: u32 = 0x8_0000;
const INLINE_DATA: u32 = 0x1000_0000;
const ENCRYPTED: u32 = 0x800;

/// What an inode is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InodeKind {
    File,
    Directory,
    /// A symbolic link.
    Link,
    /// A device, a pipe or a socket.
    Other,
}

/// What is used of an inode.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inode {
    pub(super) kind: InodeKind,
    pub(super) size: u64,
    /// The time of the last change, in seconds since 1970.
    seconds: i64,
    flags: u32,
    /// The root of the extents or the block map, or the target of a short symbolic link.
    pub(super) root: [u8; 60],
}

impl Inode {
    pub(super) const fn has_extents(&self) -> bool {
        self.flags & EXTENTS != 0
    }

    /// Returns the time of the last change; `None` for 0, which tools set for archives that are the same every time.
    pub(super) fn modified(&self) -> Option<u64> {
        u64::try_from(self.seconds).ok().filter(|seconds| *seconds > 0)
    }

    /// Checks that the content is in blocks, as it is.
    pub(super) const fn check_readable(&self) -> Result<(), FileSystemError> {
        if self.flags & INLINE_DATA != 0 {
            return Err(FileSystemError::Unsupported("data in an inode is"));
        }
        if self.flags & ENCRYPTED != 0 {
            return Err(FileSystemError::Unsupported("an encrypted file is"));
        }
        Ok(())
    }
}

impl Ext4 {
    /// Reads an inode.
    pub(super) async fn inode(&self, number: u32) -> Result<Inode, FileSystemError> {
        let superblock = &self.superblock;
        let corrupt = |what| FileSystemError::Corrupt { what, position: number.into() };
        if number == 0 || number > superblock.inodes {
            return Err(corrupt("the number of an inode is invalid"));
        }
        let (group, index) = ((number - 1) / superblock.inodes_per_group, (number - 1) % superblock.inodes_per_group);
        let descriptor =
            superblock.descriptors * superblock.block_bytes + u64::from(group) * u64::from(superblock.descriptor_bytes);
        let low = u32::from_le_bytes(self.volume.read_array(descriptor + 8).await?);
        let high = if superblock.descriptor_bytes >= 64 {
            u32::from_le_bytes(self.volume.read_array(descriptor + 0x28).await?)
        } else {
            0
        };
        let table = u64::from(high) << 32 | u64::from(low);
        if table == 0 || table >= superblock.blocks {
            return Err(corrupt("the inode table of a group is outside the file system"));
        }
        let position = table * superblock.block_bytes + u64::from(index) * u64::from(superblock.inode_bytes);
        let bytes: [u8; 128] = self.volume.read_array(position).await?;
        let mut extra = [0; 16];
        if superblock.inode_bytes >= 144 {
            extra = self.volume.read_array(position + 128).await?;
        }
        // Two more bits of the seconds, if the inode has room for them.
        let has_epoch = u16_at(&extra, 0) >= 12;
        let epoch = if has_epoch { i64::from(u32_at(&extra, 8) & 3) } else { 0 };
        let kind = match u16_at(&bytes, 0) >> 12 {
            0x8 => InodeKind::File,
            0x4 => InodeKind::Directory,
            0xa => InodeKind::Link,
            _ => InodeKind::Other,
        };
        let mut root = [0; 60];
        root.copy_from_slice(&bytes[40..100]);
        Ok(Inode {
            kind,
            size: u64::from(u32_at(&bytes, 108)) << 32 | u64::from(u32_at(&bytes, 4)),
            seconds: i64::from(u32_at(&bytes, 16).cast_signed()) + (epoch << 32),
            flags: u32_at(&bytes, 32),
            root,
        })
    }

    /// Returns the target of a symbolic link.
    pub(super) async fn link_target(&self, inode: &Inode) -> Result<String, FileSystemError> {
        let length = usize::try_from(inode.size).unwrap_or(usize::MAX);
        if length > MAX_PATH_BYTES {
            return Err(FileSystemError::Corrupt { what: "a symbolic link is too long", position: inode.size });
        }
        let target = if length < inode.root.len() && !inode.has_extents() {
            inode.root[..length].to_vec()
        } else {
            let mut target = fallible_buffer(length)?;
            self.read_content(inode, 0, &mut target).await?;
            target
        };
        Ok(String::from_utf8_lossy(&target).into_owned())
    }

    /// Fills `buffer` with the content of an inode from `offset` on.
    pub(super) async fn read_content(
        &self,
        inode: &Inode,
        offset: u64,
        mut buffer: &mut [u8],
    ) -> Result<(), FileSystemError> {
        let mut offset = offset;
        while !buffer.is_empty() {
            let run = self.run(inode, offset).await?;
            let part = usize::try_from(run.length).unwrap_or(usize::MAX).min(buffer.len());
            if part == 0 {
                return Err(FileSystemError::PastEnd { position: offset });
            }
            let (now, rest) = buffer.split_at_mut(part);
            match run.position {
                Some(position) => self.volume.read(position, now).await?,
                None => now.fill(0),
            }
            (buffer, offset) = (rest, offset + part as u64);
        }
        Ok(())
    }
}
