//! Multiboot2: a list of tags, in one piece.
//!
//! The `multiboot2` crate checks that the list is whole, and walks it. Its memory maps are not used: they panic where the
//! size of an entry is not the one that they expect, and what a loader says is no reason to.

#![expect(unsafe_code, reason = "the list is at a physical address")]

use core::ops::Range;
use core::ptr;

use multiboot2::{BootInformation, BootInformationHeader, EFIMemoryAreaType, EFIMemoryAttribute, TagHeader, TagType};

use super::physical::{MAPPED, keep_command_line, peek};
use super::{BootError, BootInfo, BootProtocol, ImageLayout};
use crate::acpi::RootPointer;
use crate::memory_map::{self, AddressMap, Ranges, Region, RegionKind};
use crate::to_usize;

/// No list is longer, in bytes.
const LIMIT: u32 = 1 << 20;

/// Of an entry of a memory map: its bytes that are known here, and where fields are.
const ENTRY: usize = 24;
const EFI_ENTRY: usize = 40;
/// Bytes in a page of EFI's.
const EFI_PAGE: u64 = 4096;

/// Reads the list at a physical address.
///
/// # Errors
/// [`BootError`] when it is none, or has no memory map.
///
/// # Safety
/// As for [`BootInfo::from_loader`].
pub(super) unsafe fn read(address: u64, image: ImageLayout) -> Result<BootInfo, BootError> {
    // SAFETY: the caller's promise.
    let length = unsafe { peek::<u32>(address) }.unwrap_or(0);
    if length > LIMIT || address + u64::from(length) > MAPPED {
        return Err(BootError::Unreachable { address, length });
    }
    let header = ptr::with_exposed_provenance::<BootInformationHeader>(to_usize(address));
    // SAFETY: as many bytes as it says it has are mapped, and nobody changes them until they have been read.
    let list = unsafe { BootInformation::load(header) };
    let list = list.map_err(|reason| BootError::NotMultiboot2 { address, reason })?;
    let ParsedTags { usable, address_map, root_pointer, command_line, protocol } = understand(&list, image.range())?;
    let command_line = keep_command_line(command_line.iter().copied());
    Ok(BootInfo { usable, address_map, root_pointer, command_line, image, protocol })
}

/// What a list says, the command line still in its place.
struct ParsedTags<'a> {
    usable: Ranges,
    address_map: AddressMap,
    root_pointer: Option<RootPointer>,
    command_line: &'a [u8],
    protocol: BootProtocol,
}

fn understand<'a>(list: &'a BootInformation<'_>, image: Range<u64>) -> Result<ParsedTags<'a>, BootError> {
    let tag = |wanted: TagType| {
        let is_wanted = |tag: &&multiboot2::DynSizedStructure<TagHeader>| tag.header().typ == wanted;
        list.tags().find(is_wanted).map(multiboot2::DynSizedStructure::payload)
    };
    if tag(TagType::EfiBs).is_some() {
        return Err(BootError::BootServices);
    }
    // UEFI's own map tells more than what the loader made of it.
    let efi = tag(TagType::EfiMmap);
    let has_efi = efi.is_some() || tag(TagType::Efi64).is_some() || tag(TagType::Efi32).is_some();
    let protocol = if has_efi { BootProtocol::Multiboot2Uefi } else { BootProtocol::Multiboot2 };
    let (address_map, usable) = match (efi, tag(TagType::Mmap)) {
        (Some(map), _) => (AddressMap::of(efi_regions(map)), memory_map::usable(efi_regions(map), image)),
        (None, Some(map)) => (AddressMap::of(regions(map)), memory_map::usable(regions(map), image)),
        (None, None) => return Err(BootError::NoMemoryMap { protocol }),
    };
    // A copy of the root pointer itself. With both there, the newer one leads to addresses of 64 bits.
    let root_pointer = tag(TagType::AcpiV2).or_else(|| tag(TagType::AcpiV1)).map(RootPointer::copy);
    let command_line = tag(TagType::Cmdline).unwrap_or_default();
    Ok(ParsedTags { usable, address_map, root_pointer, command_line, protocol })
}

/// The entries of a map: their size, a version, and then they, each of `least` bytes or more.
fn entries(map: &[u8], least: usize) -> impl Iterator<Item = &[u8]> {
    let size = u32_at(map, 0).and_then(|size| usize::try_from(size).ok()).filter(|size| *size >= least);
    // A size that makes no sense leaves no entries.
    map.get(8..).filter(|_| size.is_some()).unwrap_or_default().chunks_exact(size.unwrap_or(least))
}

/// The map as BIOSes know it (Multiboot2, 3.6.8): base, length, type.
fn regions(map: &[u8]) -> impl Iterator<Item = Region> {
    entries(map, ENTRY).filter_map(|entry| {
        let (base, length) = (u64_at(entry, 0)?, u64_at(entry, 8)?);
        let kind = match u32_at(entry, 16)? {
            1 => RegionKind::Ram,
            // ACPI's tables, ACPI's own, and memory that is broken.
            3..=5 => RegionKind::Firmware,
            _ => RegionKind::Reserved,
        };
        Some(Region { range: base..base.saturating_add(length), kind })
    })
}

/// UEFI's map (UEFI 2.10, 7.2.3): type, physical and virtual address, pages, attributes.
fn efi_regions(map: &[u8]) -> impl Iterator<Item = Region> {
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

/// What was the loader's and the boot services' is free once they have been left. What runtime services and ACPI keep,
/// is not; nor is memory of a kind that is not known here.
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

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests;
