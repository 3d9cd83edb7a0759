//! The memory map of a guest of Xen, by a hypercall: PVH's first guest (dom0) gets a start info of version 0, which has none.

use arrayvec::ArrayVec;

use crate::cpu;
use crate::memory_map::{Region, RegionKind};

/// The largest number of entries that are read. With more, the hypercall fails.
const MAX_ENTRIES: usize = 128;
/// The hypercall `memory_op`, and its operation `XENMEM_memory_map` (Xen's public/memory.h).
const MEMORY_OP: u64 = 12;
const MEMORY_MAP: u64 = 9;

/// The argument of the operation.
#[repr(C)]
struct MemoryMap {
    entries: u32,
    buffer: *mut Entry,
}

/// An entry of the map, as of a BIOS: type 1 is memory, 2 reserved.
#[repr(C, packed)]
#[derive(Clone, Copy, Default)]
struct Entry {
    address: u64,
    size: u64,
    kind: u32,
}

/// Returns the memory map; `None` where Xen is not, or has none.
pub(super) fn memory_map() -> Option<ArrayVec<Region, MAX_ENTRIES>> {
    if !cpu::is_xen() {
        return None;
    }
    let mut entries = [Entry::default(); MAX_ENTRIES];
    let mut map = MemoryMap { entries: 128, buffer: entries.as_mut_ptr() };
    let is_amd = cpu::is_amd();
    let (argument, mut result) = (&raw mut map, MEMORY_OP);
    if is_amd {
        // SAFETY: Xen is there, which writes as many entries as there is room for, and the number of them. Both are at
        // the addresses that it is given. A hypercall changes no register but the result and its arguments.
        unsafe {
            core::arch::asm!("vmmcall", inout("rax") result, inout("rdi") MEMORY_MAP => _, inout("rsi") argument => _, options(nostack));
        }
    } else {
        // SAFETY: as above.
        unsafe {
            core::arch::asm!("vmcall", inout("rax") result, inout("rdi") MEMORY_MAP => _, inout("rsi") argument => _, options(nostack));
        }
    }
    let count = usize::try_from(map.entries).ok().filter(|_| result == 0)?;
    let regions = entries.get(..count)?.iter().map(|entry| Region {
        range: entry.address..entry.address.saturating_add(entry.size),
        kind: match entry.kind {
            1 => RegionKind::Ram,
            2 => RegionKind::Reserved,
            _ => RegionKind::Firmware,
        },
    });
    Some(regions.collect()).filter(|regions: &ArrayVec<Region, MAX_ENTRIES>| !regions.is_empty())
}
