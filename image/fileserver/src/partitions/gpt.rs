//! The GUID partition table (UEFI 2.10, 5.3), with its checksums and its backup.

use alloc::string::String;

use super::{MAX_PARTITIONS, Partition, PartitionTable, part};
use crate::bytes::{u16_at, u32_at, u64_at};
use crate::crc32::Crc32;
use crate::filesystem::FileSystemError;
use crate::volume::{Volume, fallible_buffer};

/// The most entries of a table that is used; most have 128.
const MAX_ENTRIES: u32 = 1024;
/// The sizes of an entry that are used. All tools write 128.
const ENTRY_BYTES: core::ops::RangeInclusive<u32> = 128..=4096;
/// The bytes of a header before the reserved rest of its block.
const HEADER_BYTES: usize = 92;

/// The fields of a valid header.
#[derive(Debug)]
struct Header {
    backup: u64,
    usable: core::ops::RangeInclusive<u64>,
    entries: u64,
    count: u32,
    entry_bytes: u32,
    entries_checksum: u32,
}

/// Reads the table of a disk whose logical blocks have `unit` bytes; `None` when there is none. The backup is used when the
/// header, or a checksum, is invalid.
pub(super) async fn read(disk: &Volume, unit: u64) -> Result<Option<PartitionTable>, FileSystemError> {
    let blocks = disk.size_bytes() / unit;
    if blocks < 3 {
        return Ok(None);
    }
    let primary = read_header(disk, unit, 1).await?;
    if let Some(header) = &primary
        && let Some(table) = read_entries(disk, unit, header).await?
    {
        return Ok(Some(table));
    }
    // Without a protective MBR and without a header, what is at the end of the disk is of an earlier use.
    let is_gpt =
        super::mbr::is_protective(&disk.read_array(0).await?) || disk.read_array::<8>(unit).await? == *b"EFI PART";
    if !is_gpt {
        return Ok(None);
    }
    // At the end of the disk, or, on a disk that has grown since, where the header has it.
    let backups = [Some(blocks - 1), primary.map(|header| header.backup)];
    for block in backups.into_iter().flatten().filter(|block| *block > 1 && *block < blocks) {
        if let Some(header) = read_header(disk, unit, block).await?
            && let Some(mut table) = read_entries(disk, unit, &header).await?
        {
            table.warning = Some("the table is invalid, its backup is used");
            return Ok(Some(table));
        }
    }
    Ok(None)
}

/// Returns the header in a block, if its checksum is right and its fields are valid.
async fn read_header(disk: &Volume, unit: u64, block: u64) -> Result<Option<Header>, FileSystemError> {
    let mut bytes: [u8; 512] = disk.read_array(block * unit).await?;
    let length = u32_at(&bytes, 12) as usize;
    if !bytes.starts_with(b"EFI PART") || !(HEADER_BYTES..=512).contains(&length) {
        return Ok(None);
    }
    let checksum = u32_at(&bytes, 16);
    bytes[16..20].fill(0);
    let header = Header {
        backup: u64_at(&bytes, 32),
        usable: u64_at(&bytes, 40)..=u64_at(&bytes, 48),
        entries: u64_at(&bytes, 72),
        count: u32_at(&bytes, 80),
        entry_bytes: u32_at(&bytes, 84),
        entries_checksum: u32_at(&bytes, 88),
    };
    let is_valid = Crc32::of(&bytes[..length]) == checksum
        && u64_at(&bytes, 24) == block
        && header.count <= MAX_ENTRIES
        && ENTRY_BYTES.contains(&header.entry_bytes)
        && header.entry_bytes.is_power_of_two();
    Ok(is_valid.then_some(header))
}

/// Returns the partitions of a header; `None` when the checksum of its entries is wrong.
async fn read_entries(disk: &Volume, unit: u64, header: &Header) -> Result<Option<PartitionTable>, FileSystemError> {
    let Some(start) = header.entries.checked_mul(unit) else { return Ok(None) };
    let length = u64::from(header.count) * u64::from(header.entry_bytes);
    if start.checked_add(length).is_none_or(|end| end > disk.size_bytes()) {
        return Ok(None);
    }
    let mut table = PartitionTable { kind: "GPT", ..PartitionTable::default() };
    let mut checksum = Crc32::new();
    let mut entry = fallible_buffer(header.entry_bytes as usize)?;
    for index in 0..header.count {
        disk.read(start + u64::from(index) * u64::from(header.entry_bytes), &mut entry).await?;
        checksum.update(&entry);
        // An unused entry has the type 0.
        if entry[..16].iter().all(|byte| *byte == 0) || table.partitions.len() == MAX_PARTITIONS {
            continue;
        }
        let (first, last) = (u64_at(&entry, 32), u64_at(&entry, 40));
        let is_usable = first <= last && header.usable.contains(&first) && header.usable.contains(&last);
        match part(disk, unit, first, last.saturating_sub(first).saturating_add(1)) {
            Some(volume) if is_usable => {
                table.partitions.push(Partition { number: index + 1, name: name(&entry[56..128]), volume });
            }
            _ => table.warning = Some("a partition outside the disk is left out"),
        }
    }
    Ok((checksum.finalize() == header.entries_checksum).then_some(table))
}

/// Returns the name of a partition, which ends at the first zero.
fn name(utf16: &[u8]) -> String {
    let units = (0..utf16.len() / 2).map(|index| u16_at(utf16, 2 * index)).take_while(|unit| *unit != 0);
    char::decode_utf16(units).map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}
