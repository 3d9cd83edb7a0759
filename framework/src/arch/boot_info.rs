//! What the loader says: memory, where the ACPI tables are, and the command line.

#![expect(unsafe_code, reason = "the start info is a web of physical addresses")]

use core::ops::Range;

use arrayvec::ArrayVec;
use pvh::start_info::{MemmapTableEntry, MemmapType, START_MAGIC_VALUE, StartInfo};
use spin::Once;

use super::memory_map::{self, Purpose, Ranges, Region, Survey};
use super::to_usize;

/// The boot page tables map the first 4 GiB one to one.
const MAPPED: u64 = 1 << 32;
/// The longest memory map that is read; the rest is memory that goes unused.
const MAP_LIMIT: u32 = 256;
/// The longest command line that is kept, in bytes.
const COMMAND_LINE_LIMIT: usize = 4096;

/// What the loader said, copied and checked. Not `Clone`: [`init`](super::init) takes it, and with it the
/// memory that it describes.
#[derive(Debug)]
pub struct BootInfo {
    /// Memory that is free to use: whole pages, sorted, apart from each other and from the image.
    pub(super) usable: Ranges,
    /// All memory, and what firmware reserves.
    pub(super) survey: Survey,
    /// The physical address of ACPI's root pointer, if the loader gave one.
    pub(super) rsdp: Option<u64>,
    pub(super) command_line: &'static str,
    pub(super) image: ImageLayout,
}

/// Where the image's parts are, by physical (and virtual) address, in whole pages.
#[derive(Debug, Clone)]
pub struct ImageLayout {
    /// Code: readable and executable.
    pub text: Range<u64>,
    /// Constants: readable.
    pub rodata: Range<u64>,
    /// Data and stacks: readable and writable.
    pub data: Range<u64>,
    /// The page below the boot stack, inside `data`: never mapped.
    pub stack_guard: u64,
}

/// Why the loader's word was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BootError {
    /// What should be a PVH start info is none.
    #[error("no PVH start info at {address:#x}: the magic number is {magic:#x}")]
    NotPvh {
        /// Where it was looked for.
        address: u64,
        /// What was there.
        magic: u32,
    },
    /// The loader gave no memory map.
    #[error("the loader gave no memory map (PVH version {version})")]
    NoMemoryMap {
        /// The version of the start info; maps came with 1.
        version: u32,
    },
}

impl BootInfo {
    /// Reads the PVH start info at physical address `start_info`.
    ///
    /// # Errors
    /// [`BootError`] when it is not one, or has no memory map.
    ///
    /// # Safety
    /// Called once, by the boot CPU, with `image` telling the truth. The first 4 GiB are mapped one to one and
    /// stay so until [`init`](super::init), and the loader's structures have not been overwritten yet.
    pub unsafe fn from_pvh(start_info: u32, image: ImageLayout) -> Result<Self, BootError> {
        let address = u64::from(start_info);
        // SAFETY: the caller's promise.
        let magic = unsafe { peek::<u32>(address) }.unwrap_or(0);
        // SAFETY: the caller's promise; any bits make a valid `StartInfo`.
        let info = unsafe { peek::<StartInfo>(address) }.filter(|info| info.magic == START_MAGIC_VALUE);
        let Some(info) = info else {
            return Err(BootError::NotPvh { address, magic });
        };
        if info.version < 1 || info.memmap_entries == 0 {
            return Err(BootError::NoMemoryMap { version: info.version });
        }

        let entries = (0..info.memmap_entries.min(MAP_LIMIT)).filter_map(|index| {
            let address = info.memmap_paddr.checked_add(u64::from(index) * size_of::<MemmapTableEntry>() as u64)?;
            // SAFETY: the caller's promise; any bits make a valid entry.
            unsafe { peek::<MemmapTableEntry>(address) }
        });
        let regions = entries.map(|entry| Region {
            range: entry.addr..entry.addr.saturating_add(entry.size),
            purpose: match entry.ty() {
                MemmapType::Ram => Purpose::Ram,
                MemmapType::Reserved => Purpose::Reserved,
                _ => Purpose::Firmware,
            },
        });
        let image_range = image.text.start..image.data.end;
        let survey = Survey::of(regions.clone());
        let usable = memory_map::usable(regions, image_range);

        let rsdp = Some(info.rsdp_paddr).filter(|address| *address != 0);
        // SAFETY: the caller's promise.
        let command_line = unsafe { copy_command_line(info.cmdline_paddr) };
        Ok(Self { usable, survey, rsdp, command_line, image })
    }

    /// The kernel command line.
    #[must_use]
    pub fn command_line(&self) -> &'static str {
        self.command_line
    }
}

/// Reads a value at a physical address, if the boot page tables map it.
///
/// # Safety
/// The first 4 GiB are mapped one to one, and any bits make a valid `T`.
unsafe fn peek<T: Copy>(address: u64) -> Option<T> {
    let end = address.checked_add(size_of::<T>() as u64)?;
    if address == 0 || end > MAPPED {
        return None;
    }
    let pointer = core::ptr::with_exposed_provenance::<T>(to_usize(address));
    // SAFETY: inside the first 4 GiB, which the caller promises to be mapped; reading physical memory that
    // is not there gives ones.
    Some(unsafe { pointer.read_unaligned() })
}

/// Copies the command line to where it stays. Text that is not UTF-8 ends where it stops being so.
///
/// # Safety
/// As for [`peek`].
unsafe fn copy_command_line(address: u64) -> &'static str {
    static COPY: Once<ArrayVec<u8, COMMAND_LINE_LIMIT>> = Once::new();
    let copy = COPY.call_once(|| {
        let bytes = (address..).take(COMMAND_LINE_LIMIT).map_while(|at| {
            // SAFETY: the caller's promise; any byte is a valid `u8`.
            unsafe { peek::<u8>(at) }
        });
        bytes.take_while(|byte| *byte != 0).collect()
    });
    let text = copy.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    text.trim_ascii()
}
