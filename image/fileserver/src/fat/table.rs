//! The table: chains of clusters.

use super::boot_sector::FatType;
use super::{ChainPosition, Fat};
use crate::filesystem::FileSystemError;

/// The most clusters that are joined to a run.
const MAX_JOINED: u64 = 256;

impl Fat {
    /// Returns the cluster that follows another one; `None` at the end of a chain.
    pub(super) async fn next_cluster(&self, cluster: u32) -> Result<Option<u32>, FileSystemError> {
        self.check_cluster(cluster)?;
        let index = u64::from(cluster);
        let (offset, length) = match self.boot.fat_type {
            FatType::Fat12 => (index + index / 2, 2),
            FatType::Fat16 => (index * 2, 2),
            FatType::Fat32 => (index * 4, 4),
        };
        if offset + length > self.boot.table_bytes {
            return Err(FileSystemError::Corrupt { what: "a cluster is not in the table of FAT", position: index });
        }
        let position = self.boot.table + offset;
        let (next, first_end) = match self.boot.fat_type {
            FatType::Fat32 => (u32::from_le_bytes(self.volume.read_array(position).await?) & 0x0fff_ffff, 0x0fff_fff8),
            FatType::Fat16 => (u16::from_le_bytes(self.volume.read_array(position).await?).into(), 0xfff8),
            FatType::Fat12 => {
                let pair = u32::from(u16::from_le_bytes(self.volume.read_array(position).await?));
                // Two entries share the byte in the middle of three.
                (if cluster.is_multiple_of(2) { pair & 0xfff } else { pair >> 4 }, 0xff8)
            }
        };
        if next >= first_end {
            return Ok(None);
        }
        self.check_cluster(next)?;
        Ok(Some(next))
    }

    /// Returns the position of a cluster on the volume.
    pub(super) fn cluster_position(&self, cluster: u32) -> Result<u64, FileSystemError> {
        self.check_cluster(cluster)?;
        Ok(self.boot.data + u64::from(cluster - 2) * self.boot.cluster_bytes)
    }

    fn check_cluster(&self, cluster: u32) -> Result<(), FileSystemError> {
        if cluster < 2 || cluster - 2 >= self.boot.clusters {
            return Err(FileSystemError::Corrupt { what: "a cluster is outside FAT", position: cluster.into() });
        }
        Ok(())
    }

    /// Returns where the bytes of a file from `offset` on are: the position of the first one, and how many are together.
    pub(super) async fn run(&self, first: u32, size: u64, offset: u64) -> Result<(u64, u64), FileSystemError> {
        let cluster_bytes = self.boot.cluster_bytes;
        let (wanted, skip) = (offset / cluster_bytes, offset % cluster_bytes);
        let last = self.last.get();
        let mut at = ChainPosition { first, index: 0, cluster: first };
        if last.first == first && last.index <= wanted {
            at = last;
        }
        // The size has 32 bits, so the number of clusters bounds the loop.
        while at.index < wanted {
            let next = self.next_cluster(at.cluster).await?;
            let Some(cluster) = next else {
                return Err(FileSystemError::Corrupt {
                    what: "a file of FAT is shorter than its size",
                    position: offset,
                });
            };
            at = ChainPosition { first, index: at.index + 1, cluster };
        }
        let position = self.cluster_position(at.cluster)? + skip;
        let (mut count, mut end) = (1, at.cluster);
        while count < MAX_JOINED && count * cluster_bytes - skip < size - offset {
            match self.next_cluster(end).await? {
                Some(next) if next == end + 1 => (count, end) = (count + 1, next),
                _ => break,
            }
        }
        self.last.set(ChainPosition { first, index: wanted + count - 1, cluster: end });
        Ok((position, (count * cluster_bytes - skip).min(size - offset)))
    }
}
