//! The master boot record, and the chain of extended boot records for logical partitions.

use alloc::string::String;
use alloc::vec::Vec;

use super::{MAX_PARTITIONS, Partition, PartitionTable, part};
use crate::bytes::{u16_at, u32_at};
use crate::filesystem::FileSystemError;
use crate::volume::Volume;

/// The most extended boot records that are followed: a chain may be a loop.
const MAX_RECORDS: usize = 128;

/// An entry of a boot record.
#[derive(Debug, Clone, Copy)]
struct Entry {
    kind: u8,
    first: u64,
    blocks: u64,
}

impl Entry {
    const fn is_extended(self) -> bool {
        matches!(self.kind, 0x05 | 0x0f | 0x85)
    }

    const fn is_used(self) -> bool {
        self.kind != 0 && self.blocks != 0
    }
}

/// Returns the four entries of a boot record; `None` when it is none: without the signature, or with a status other than
/// "active" and "inactive", as the code of a boot sector has.
fn entries(record: &[u8; 512]) -> Option<[Entry; 4]> {
    if u16_at(record, 510) != 0xaa55 {
        return None;
    }
    let entry = |index: usize| {
        let at = 446 + 16 * index;
        let is_valid = matches!(record[at], 0 | 0x80);
        let (first, blocks) = (u32_at(record, at + 8).into(), u32_at(record, at + 12).into());
        is_valid.then_some(Entry { kind: record[at + 4], first, blocks })
    };
    Some([entry(0)?, entry(1)?, entry(2)?, entry(3)?])
}

/// Returns whether a record is the one before a GPT, whose only entry is for the whole disk (UEFI 2.10, 5.2.3).
pub(super) fn is_protective(record: &[u8; 512]) -> bool {
    entries(record).is_some_and(|entries| entries.iter().any(|entry| entry.kind == 0xee))
}

/// Reads the MBR, whose unit is `unit` bytes; `None` when there is none, or all its partitions are outside the disk.
pub(super) async fn read(disk: &Volume, unit: u64) -> Result<Option<PartitionTable>, FileSystemError> {
    if disk.size_bytes() < 512 {
        return Ok(None);
    }
    let Some(primary) = entries(&disk.read_array(0).await?) else { return Ok(None) };
    let mut table = PartitionTable { kind: "MBR", ..PartitionTable::default() };
    let mut extended = Vec::new();
    for (number, entry) in (1..).zip(primary).filter(|(_, entry)| entry.is_used()) {
        match part(disk, unit, entry.first, entry.blocks) {
            // It would contain its own table.
            _ if entry.first == 0 => table.warning = Some("a partition that begins at the table is left out"),
            _ if entry.is_extended() => extended.push(entry.first),
            Some(volume) => table.partitions.push(Partition { number, name: String::new(), volume }),
            None => table.warning = Some("a partition outside the disk is left out"),
        }
    }
    for first in extended {
        read_logical(disk, unit, first, &mut table).await?;
    }
    Ok((!table.partitions.is_empty()).then_some(table))
}

/// Follows the chain of extended boot records of the extended partition that begins at the block `base`.
async fn read_logical(disk: &Volume, unit: u64, base: u64, table: &mut PartitionTable) -> Result<(), FileSystemError> {
    let (mut record, mut number) = (base, 5);
    for _ in 0..MAX_RECORDS {
        let position = record.saturating_mul(unit);
        if position.saturating_add(512) > disk.size_bytes() {
            table.warning = Some("an extended boot record is outside the disk");
            return Ok(());
        }
        let Some([logical, next, ..]) = entries(&disk.read_array(position).await?) else {
            table.warning = Some("an extended boot record is invalid");
            return Ok(());
        };
        if logical.is_used() {
            // Relative to this record; the next record is relative to the extended partition.
            match part(disk, unit, record.saturating_add(logical.first), logical.blocks) {
                Some(volume) if logical.first > 0 && table.partitions.len() < MAX_PARTITIONS => {
                    table.partitions.push(Partition { number, name: String::new(), volume });
                }
                _ => table.warning = Some("a logical partition outside the disk is left out"),
            }
            number += 1;
        }
        if !next.is_used() || !next.is_extended() {
            return Ok(());
        }
        let following = base.saturating_add(next.first);
        // Records are in ascending order in what partitioning tools write, and never form a loop then.
        if following <= record {
            table.warning = Some("the chain of extended boot records runs backwards");
            return Ok(());
        }
        record = following;
    }
    table.warning = Some("there are too many logical partitions");
    Ok(())
}
