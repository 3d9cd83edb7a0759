//! Multiboot2: boot information as a list of tags.
//!
//! The `multiboot2` crate checks that the list is complete, and walks it. Its memory maps are not used: they panic on
//! an unexpected entry size, and malformed boot information must be an error.

#![expect(unsafe_code, reason = "the list is at a physical address")]

use core::ops::Range;
use core::ptr;

use multiboot2::{
    BootInformation, BootInformationHeader, EFIMemoryAreaType, EFIMemoryAttribute, LoadError, TagHeader, TagType,
};

use super::physical::{MAPPED, keep_command_line, peek};
use super::{BootError, BootInfo, BootProtocol, ImageLayout};
use crate::acpi::RootPointer;
use crate::integer::to_usize;
use crate::memory_map::{MemoryMap, Region, RegionKind};

/// The longest list that is read, in bytes.
const LIMIT_BYTES: u32 = 1 << 20;

/// The smallest size of an entry of a memory map, in bytes: the BIOS map and the UEFI map.
const ENTRY: usize = 24;
const EFI_ENTRY: usize = 40;
/// Bytes in a page of UEFI (UEFI 2.10, 7.2.1).
const EFI_PAGE: u64 = 4096;

/// Reads the list at a physical address.
///
/// # Errors
/// [`BootError`] when it is malformed, or has no memory map.
///
/// # Safety
/// As for [`BootInfo::from_loader`].
pub(super) unsafe fn read(address: u64, image: ImageLayout) -> Result<BootInfo, BootError> {
    // SAFETY: the caller's contract is the same.
    let length = unsafe { peek::<u32>(address) }.unwrap_or(0);
    if length > LIMIT_BYTES || address + u64::from(length) > MAPPED {
        return Err(BootError::Unreachable { address, length });
    }
    let header = ptr::with_exposed_provenance::<BootInformationHeader>(to_usize(address));
    // SAFETY: the whole length is mapped, and unchanged until it has been read.
    let list = unsafe { BootInformation::load(header) };
    let list = list.map_err(|error| BootError::NotMultiboot2 { address, reason: reason(error) })?;
    let ParsedTags { memory, root_pointer, command_line, protocol } = parse(&list, image.range())?;
    let command_line = keep_command_line(command_line.iter().copied());
    Ok(BootInfo { memory, root_pointer, command_line, image, protocol })
}

/// The contents of a list. The command line is not copied yet.
struct ParsedTags<'a> {
    memory: MemoryMap,
    root_pointer: Option<RootPointer>,
    command_line: &'a [u8],
    protocol: BootProtocol,
}

fn parse<'a>(list: &'a BootInformation<'_>, image: Range<u64>) -> Result<ParsedTags<'a>, BootError> {
    let tag = |wanted: TagType| {
        let is_wanted = |tag: &&multiboot2::DynSizedStructure<TagHeader>| tag.header().typ == wanted;
        list.tags().find(is_wanted).map(multiboot2::DynSizedStructure::payload)
    };
    if tag(TagType::EfiBs).is_some() {
        return Err(BootError::BootServices);
    }
    // UEFI's own map has more detail than the loader's conversion.
    let efi = tag(TagType::EfiMmap);
    let has_efi = efi.is_some() || tag(TagType::Efi64).is_some() || tag(TagType::Efi32).is_some();
    let protocol = if has_efi { BootProtocol::Multiboot2Uefi } else { BootProtocol::Multiboot2 };
    let memory = match (efi, tag(TagType::Mmap)) {
        (Some(map), _) => MemoryMap::of(efi_regions(map), image),
        (None, Some(map)) => MemoryMap::of(regions(map), image),
        (None, None) => return Err(BootError::NoMemoryMap { protocol }),
    };
    // A copy of the root pointer itself. The newer version has 64-bit addresses.
    let root_pointer = tag(TagType::AcpiV2).or_else(|| tag(TagType::AcpiV1)).map(RootPointer::copy);
    let command_line = tag(TagType::Cmdline).unwrap_or_default();
    Ok(ParsedTags { memory, root_pointer, command_line, protocol })
}

/// Returns the entries of a map, which follow the size of an entry and a version. Each has at least `min_size` bytes.
fn entries(map: &[u8], min_size: usize) -> impl Iterator<Item = &[u8]> + Clone {
    let size = u32_at(map, 0).and_then(|size| usize::try_from(size).ok()).filter(|size| *size >= min_size);
    // With an invalid size there are no entries.
    map.get(8..).filter(|_| size.is_some()).unwrap_or_default().chunks_exact(size.unwrap_or(min_size))
}

/// Reads the BIOS memory map (Multiboot2, 3.6.8): base, length, type.
fn regions(map: &[u8]) -> impl Iterator<Item = Region> + Clone {
    entries(map, ENTRY).filter_map(|entry| {
        let (base, length) = (u64_at(entry, 0)?, u64_at(entry, 8)?);
        let kind = match u32_at(entry, 16)? {
            1 => RegionKind::Ram,
            // ACPI reclaimable, ACPI NVS, and defective memory.
            3..=5 => RegionKind::Firmware,
            _ => RegionKind::Reserved,
        };
        Some(Region { range: base..base.saturating_add(length), kind })
    })
}

/// Reads the UEFI memory map (UEFI 2.10, 7.2.3): type, physical and virtual address, pages, attributes.
fn efi_regions(map: &[u8]) -> impl Iterator<Item = Region> + Clone {
    entries(map, EFI_ENTRY).filter_map(|entry| {
        let (base, pages) = (u64_at(entry, 8)?, u64_at(entry, 24)?);
        let range = base..base.saturating_add(pages.saturating_mul(EFI_PAGE));
        let attributes = EFIMemoryAttribute::from_bits_retain(u64_at(entry, 32)?);
        let kind = match efi_kind(EFIMemoryAreaType(u32_at(entry, 0)?)) {
            RegionKind::Ram if attributes.contains(EFIMemoryAttribute::RUNTIME) => RegionKind::Firmware,
            kind => kind,
        };
        Some(Region { range, kind })
    })
}

/// Returns the kind of a UEFI memory type. Memory of the loader and of the boot services is free after their exit.
/// Memory of runtime services, of ACPI and of unknown types is not.
fn efi_kind(kind: EFIMemoryAreaType) -> RegionKind {
    match kind {
        EFIMemoryAreaType::LOADER_CODE
        | EFIMemoryAreaType::LOADER_DATA
        | EFIMemoryAreaType::BOOT_SERVICES_CODE
        | EFIMemoryAreaType::BOOT_SERVICES_DATA
        | EFIMemoryAreaType::CONVENTIONAL => RegionKind::Ram,
        EFIMemoryAreaType::RESERVED | EFIMemoryAreaType::MMIO | EFIMemoryAreaType::MMIO_PORT_SPACE => {
            RegionKind::Reserved
        }
        _ => RegionKind::Firmware,
    }
}

/// Returns the reason of an error of the `multiboot2` crate.
fn reason(error: LoadError) -> &'static str {
    match error {
        LoadError::Memory(_) => "its length or alignment is invalid",
        LoadError::NoEndTag => "it has no end tag",
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests;
