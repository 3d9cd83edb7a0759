//! The boot sector: the sizes of the file system (Microsoft, FAT specification 1.03).

use alloc::string::String;

use crate::bytes::{u16_at, u32_at};
use crate::filesystem::FileSystemError;
use crate::volume::Volume;

/// The kind of a FAT file system, which follows from its number of clusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FatType {
    /// Up to 4,084 clusters.
    Fat12,
    /// Up to 65,524 clusters.
    Fat16,
    /// More.
    Fat32,
}

/// What is used of the boot sector, checked.
#[derive(Debug)]
pub(super) struct BootSector {
    pub(super) fat_type: FatType,
    pub(super) cluster_bytes: u64,
    /// The position of the first table.
    pub(super) table: u64,
    pub(super) table_bytes: u64,
    /// The root directory of FAT12 and FAT16, which is no chain of clusters.
    pub(super) root: u64,
    pub(super) root_bytes: u64,
    /// The first cluster of the root directory of FAT32; 0 else.
    pub(super) root_cluster: u32,
    /// The position of cluster 2, the first.
    pub(super) data: u64,
    pub(super) clusters: u32,
    pub(super) label: String,
}

impl BootSector {
    /// Reads the boot sector; `None` when it is none.
    pub(super) async fn read(volume: &Volume) -> Result<Option<Self>, FileSystemError> {
        if volume.size_bytes() < 512 {
            return Ok(None);
        }
        Ok(Self::parse(&volume.read_array(0).await?, volume.size_bytes()))
    }

    fn parse(bytes: &[u8; 512], volume_bytes: u64) -> Option<Self> {
        let has_jump = bytes[0] == 0xeb && bytes[2] == 0x90 || bytes[0] == 0xe9;
        let sector = u64::from(u16_at(bytes, 11));
        let per_cluster = u64::from(bytes[13]);
        let (reserved, tables) = (u64::from(u16_at(bytes, 14)), u64::from(bytes[16]));
        let media = bytes[21];
        let is_valid = has_jump
            && matches!(sector, 512 | 1024 | 2048 | 4096)
            && per_cluster.is_power_of_two()
            && reserved > 0
            && (1..=2).contains(&tables)
            && (media == 0xf0 || media >= 0xf8);
        if !is_valid {
            return None;
        }
        let first_of = |small: u16, large: u32| if small == 0 { u64::from(large) } else { u64::from(small) };
        let table_sectors = first_of(u16_at(bytes, 22), u32_at(bytes, 36));
        let sectors = first_of(u16_at(bytes, 19), u32_at(bytes, 32));
        let root_bytes = (u64::from(u16_at(bytes, 17)) * 32).next_multiple_of(sector);
        let root = (reserved + tables * table_sectors) * sector;
        let data = root + root_bytes;
        // The volume may be larger. One that is smaller was cut off.
        let end = sectors * sector;
        if table_sectors == 0 || data >= end || end > volume_bytes {
            return None;
        }
        let cluster_bytes = per_cluster * sector;
        let clusters = u32::try_from((end - data) / cluster_bytes).ok()?;
        let is_fat_32 = u16_at(bytes, 22) == 0 && root_bytes == 0;
        let fat_type = match clusters {
            _ if is_fat_32 => FatType::Fat32,
            0..4085 => FatType::Fat12,
            4085..65525 => FatType::Fat16,
            _ => return None,
        };
        if clusters > 0x0fff_fff4 || fat_type != FatType::Fat32 && root_bytes == 0 {
            return None;
        }
        let label = if is_fat_32 { &bytes[71..82] } else { &bytes[43..54] };
        Some(Self {
            fat_type,
            cluster_bytes,
            table: reserved * sector,
            table_bytes: table_sectors * sector,
            root,
            root_bytes,
            root_cluster: if is_fat_32 { u32_at(bytes, 44) } else { 0 },
            data,
            clusters,
            label: label_text(label),
        })
    }
}

/// Returns a label, padded with blanks; "NO NAME" is what tools write for none.
fn label_text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes.trim_ascii_end());
    if text == "NO NAME" || text.contains('\0') { String::new() } else { text.into_owned() }
}
