//! PVH: boot information as a start info structure.

#![expect(unsafe_code, reason = "the start info contains physical addresses")]

use pvh::start_info::{MemmapTableEntry, MemmapType, START_MAGIC_VALUE, StartInfo};

use super::physical::{keep_command_line, peek};
use super::xen;
use super::{BootError, BootInfo, BootProtocol, ImageLayout};
use crate::acpi::RootPointer;
use crate::memory_map::{MemoryMap, Region, RegionKind};

/// The largest number of memory map entries that are read. Memory of further entries is not used.
const MAX_ENTRIES: u32 = 256;

/// Reads the start info at a physical address.
///
/// # Errors
/// [`BootError`] when it is malformed, or has no memory map, as in version 0, and Xen has none either.
///
/// # Safety
/// As for [`BootInfo::from_loader`].
pub(super) unsafe fn read(address: u64, image: ImageLayout) -> Result<BootInfo, BootError> {
    // SAFETY: the caller's contract is the same.
    let magic = unsafe { peek::<u32>(address) }.unwrap_or(0);
    // SAFETY: the caller's contract is the same; any bits make a valid `StartInfo`.
    let info = unsafe { peek::<StartInfo>(address) }.filter(|info| info.magic == START_MAGIC_VALUE);
    let Some(info) = info else {
        return Err(BootError::NotPvh { address, magic });
    };
    let protocol = BootProtocol::Pvh;
    let root_pointer = Some(info.rsdp_paddr).filter(|address| *address != 0).map(RootPointer::At);
    // SAFETY: the caller's contract is the same; any byte is a valid `u8`.
    let command_line = (info.cmdline_paddr..).map_while(|at| unsafe { peek::<u8>(at) });
    let command_line = keep_command_line(command_line);
    if info.version < 1 || info.memmap_entries == 0 {
        let regions = xen::memory_map().ok_or(BootError::NoMemoryMap { protocol })?;
        let memory = MemoryMap::of(regions.iter().cloned(), image.range());
        return Ok(BootInfo { memory, root_pointer, command_line, image, protocol });
    }

    let entries = (0..info.memmap_entries.min(MAX_ENTRIES)).filter_map(|index| {
        let address = info.memmap_paddr.checked_add(u64::from(index) * size_of::<MemmapTableEntry>() as u64)?;
        // SAFETY: the caller's contract is the same; any bits make a valid entry.
        unsafe { peek::<MemmapTableEntry>(address) }
    });
    let regions = entries.map(|entry| Region {
        range: entry.addr..entry.addr.saturating_add(entry.size),
        kind: match entry.ty() {
            MemmapType::Ram => RegionKind::Ram,
            MemmapType::Reserved => RegionKind::Reserved,
            _ => RegionKind::Firmware,
        },
    });
    let memory = MemoryMap::of(regions, image.range());
    Ok(BootInfo { memory, root_pointer, command_line, image, protocol })
}
