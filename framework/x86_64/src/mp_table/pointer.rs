//! The floating pointer structure, which leads to the MP configuration table (MultiProcessor Specification 1.4, 4.1).

use core::ops::Range;

use crate::integer::to_usize;
use crate::physical::PhysicalMemory;

const SIGNATURE: &[u8; 4] = b"_MP_";
/// Bytes of the structure, and offsets of its fields: the table's address, the length in units of 16 bytes, and the
/// first feature byte.
const LENGTH_BYTES: u64 = 16;
const ADDRESS: usize = 4;
const LENGTH: usize = 8;
const FEATURES: usize = 11;
/// The default configurations are numbered 1 to 7 in the first feature byte; 0 means that there is a table.
const LAST_DEFAULT: u8 = 7;
/// The BIOS area, and the fields of its data area: the segment of the extended BIOS data area, and the KiB of base memory.
const BIOS: Range<u64> = 0xf_0000..0x10_0000;
const EBDA_SEGMENT: u64 = 0x40e;
const BASE_MEMORY_KIB: u64 = 0x413;
/// The last KiB of 640 KiB, for firmware that leaves those fields empty, as qboot.
const LAST_KIB: Range<u64> = 0x9_fc00..0xa_0000;
/// Where base memory may end. The extended BIOS data area is at its end.
const BASE_MEMORY_END: Range<u64> = 0x2_0000..0xa_0000;
const KIB: u64 = 1024;

/// The configuration of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Configuration {
    /// One of the default configurations.
    Default,
    /// The table at this physical address.
    Table(u64),
}

/// Searches the first KiB of the extended BIOS data area, the last KiB of base memory, and the BIOS area.
pub(super) fn find(memory: &dyn PhysicalMemory) -> Option<Configuration> {
    let word = |address| memory.copy(address, 2).map_or(0, |bytes| u64::from(u16::from_le_bytes([bytes[0], bytes[1]])));
    let extended = word(EBDA_SEGMENT) << 4;
    let base_end = word(BASE_MEMORY_KIB) * KIB;
    let is_usable = |area: &Range<u64>| BASE_MEMORY_END.start <= area.start && area.end <= BASE_MEMORY_END.end;
    let low = [extended..extended + KIB, base_end.saturating_sub(KIB)..base_end];
    low.into_iter().filter(is_usable).chain([LAST_KIB, BIOS]).find_map(|area| search(area, memory))
}

fn search(area: Range<u64>, memory: &dyn PhysicalMemory) -> Option<Configuration> {
    let bytes = memory.copy(area.start, area.end - area.start)?;
    bytes.chunks_exact(to_usize(LENGTH_BYTES)).find_map(configuration)
}

/// Returns the configuration by a structure, if that is valid.
fn configuration(structure: &[u8]) -> Option<Configuration> {
    if !structure.starts_with(SIGNATURE) || structure[LENGTH] != 1 || sum(structure) != 0 {
        return None;
    }
    let address = u32::from_le_bytes([
        structure[ADDRESS],
        structure[ADDRESS + 1],
        structure[ADDRESS + 2],
        structure[ADDRESS + 3],
    ]);
    match structure[FEATURES] {
        0 if address != 0 => Some(Configuration::Table(address.into())),
        1..=LAST_DEFAULT => Some(Configuration::Default),
        _ => None,
    }
}

/// Returns the sum of all bytes, which is zero for a valid structure.
pub(super) fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}
