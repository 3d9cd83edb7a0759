//! Directories: blocks of entries. Those with an index are read entry by entry, too, as their format allows.

use alloc::string::String;
use alloc::vec::Vec;

use super::Ext4;
use super::inode::{Inode, InodeKind};
use crate::bytes::{u16_at, u32_at};
use crate::filesystem::{FileSystem, FileSystemError, ListEntry, ListPage, PAGE_ENTRIES};
use crate::volume::fallible_buffer;

/// The most bytes of a directory that are read: more than a million entries.
const MAX_DIRECTORY_BYTES: u64 = 64 << 20;

/// An entry of a block.
struct Entry<'a> {
    inode: u32,
    name: &'a [u8],
    /// Where the next one begins.
    next: usize,
}

/// Returns the entry at `at`; `None` at the end of the block.
fn entry(block: &[u8], at: usize) -> Result<Option<Entry<'_>>, FileSystemError> {
    // A file type follows the length of the name, or, in old file systems, its upper byte, which is 0.
    let Some(header) = block.get(at..at + 8) else { return Ok(None) };
    let length = match u16_at(header, 4) {
        // The whole of a block of 64 KiB.
        0 | 0xffff if at == 0 => block.len(),
        length => length.into(),
    };
    let name = block.get(at + 8..at + 8 + usize::from(header[6]));
    if length < 8 || !length.is_multiple_of(4) || at + length > block.len() || 8 + usize::from(header[6]) > length {
        return Err(FileSystemError::Corrupt { what: "an entry of a directory is invalid", position: at as u64 });
    }
    Ok(Some(Entry { inode: u32_at(header, 0), name: name.unwrap_or_default(), next: at + length }))
}

impl Ext4 {
    /// Reads a block of a directory. A hole is read as no entries.
    async fn directory_block(&self, inode: &Inode, offset: u64) -> Result<Vec<u8>, FileSystemError> {
        let length = usize::try_from(self.superblock.block_bytes).unwrap_or(0);
        if inode.size - offset < self.superblock.block_bytes {
            return Err(FileSystemError::Corrupt { what: "a directory is not whole blocks", position: inode.size });
        }
        let Some(position) = self.run(inode, offset).await?.position else { return Ok(Vec::new()) };
        let mut block = fallible_buffer(length)?;
        self.volume.read(position, &mut block).await?;
        Ok(block)
    }

    /// Returns the inode of a name in a directory.
    pub(super) async fn find(&self, directory: &Inode, name: &[u8]) -> Result<Option<u32>, FileSystemError> {
        let mut offset = 0;
        while offset < directory.size.min(MAX_DIRECTORY_BYTES) {
            let block = self.directory_block(directory, offset).await?;
            let mut at = 0;
            while let Some(Entry { inode, name: found, next }) = entry(&block, at)? {
                if inode != 0 && found == name {
                    return Ok(Some(inode));
                }
                at = next;
            }
            offset += self.superblock.block_bytes;
        }
        Ok(None)
    }

    /// Returns a page of the entries of the directory at `path`, from a byte of it on.
    pub(super) async fn page(&self, directory: &Inode, path: &str, position: u64) -> Result<ListPage, FileSystemError> {
        let mut page = ListPage::default();
        let block_bytes = self.superblock.block_bytes;
        let mut offset = position - position % block_bytes;
        let mut at = usize::try_from(position % block_bytes).unwrap_or(0);
        while offset < directory.size.min(MAX_DIRECTORY_BYTES) {
            let block = self.directory_block(directory, offset).await?;
            while let Some(Entry { inode: number, name, next }) = entry(&block, at)? {
                if page.entries.len() == PAGE_ENTRIES {
                    page.next = Some(offset + at as u64);
                    return Ok(page);
                }
                at = next;
                // The last entry of a block with checksums has no inode.
                if number == 0 || name.is_empty() || name == b"." || name == b".." {
                    continue;
                }
                let name = String::from_utf8_lossy(name).into_owned();
                let inode = self.inode(number).await?;
                let node = if inode.kind == InodeKind::Link {
                    // A link that leads to nothing is not listed.
                    let full = alloc::format!("{path}/{name}");
                    self.open(&full).await.ok().flatten()
                } else {
                    Self::node(number, &inode)
                };
                page.entries.extend(node.map(|node| ListEntry { name, node }));
            }
            (offset, at) = (offset + block_bytes, 0);
        }
        Ok(page)
    }
}
