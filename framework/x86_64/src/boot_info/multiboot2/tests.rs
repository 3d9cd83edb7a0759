//! Tests with lists as GRUB makes them, and with malformed ones.

use alloc::vec::Vec;
use core::slice;

use super::*;

const MIB: u64 = 1 << 20;

/// A list under construction. Its units are 64-bit, since a list is aligned to eight bytes.
struct List(Vec<u64>);

impl List {
    fn new() -> Self {
        Self([0].to_vec())
    }

    fn tag(mut self, kind: u32, payload: &[u8]) -> Self {
        let size = u32::try_from(payload.len()).unwrap() + 8;
        self.0.push(u64::from(kind) | u64::from(size) << 32);
        self.0.extend(payload.chunks(8).map(|bytes| {
            let mut whole = [0; 8];
            whole[..bytes.len()].copy_from_slice(bytes);
            u64::from_le_bytes(whole)
        }));
        self
    }

    /// Parses the list, with an image from 2 to 4 MiB.
    fn read<R>(self, check: impl FnOnce(Result<ParsedTags<'_>, BootError>) -> R) -> R {
        let mut whole = self.tag(0, &[]).0;
        whole[0] = whole.len() as u64 * 8;
        // SAFETY: the vector has the length in the header.
        let list = unsafe { BootInformation::load(whole.as_ptr().cast()) };
        check(parse(&list.expect("a whole list"), 2 * MIB..4 * MIB))
    }
}

fn map(size: u32, entries: &[(u64, u64, u32)]) -> Vec<u8> {
    let mut map = [size.to_le_bytes(), [0; 4]].concat();
    for (base, length, kind) in entries {
        let entry = [&base.to_le_bytes()[..], &length.to_le_bytes(), &kind.to_le_bytes(), &[0; 4]].concat();
        map.extend(entry.iter().copied().chain(core::iter::repeat(0)).take(size as usize));
    }
    map
}

fn efi_map(size: u32, entries: &[(u32, u64, u64, u64)]) -> Vec<u8> {
    let mut map = [size.to_le_bytes(), [1, 0, 0, 0]].concat();
    for (kind, base, pages, attributes) in entries {
        let entry = [u64::from(*kind), *base, 0, *pages, *attributes].map(u64::to_le_bytes).concat();
        map.extend(entry.iter().copied().chain(core::iter::repeat(0)).take(size as usize));
    }
    map
}

#[test]
fn a_list_of_a_bios_has_memory_tables_and_a_command_line() {
    let list = List::new().tag(1, b"irq=intx -- a b\0");
    let list = list.tag(6, &map(24, &[(0, 0x9fc00, 1), (MIB, 31 * MIB, 1), (30 * MIB, 2 * MIB, 3)]));
    list.tag(14, b"RSD PTR 0123456789ab").read(|tags| {
        let tags = tags.expect("a complete list");
        assert_eq!(tags.memory.usable[..], [MIB..2 * MIB, 4 * MIB..30 * MIB]);
        assert_eq!((tags.protocol, tags.command_line), (BootProtocol::Multiboot2, &b"irq=intx -- a b\0"[..]));
        let Some(RootPointer::Copy(copy)) = tags.root_pointer else { panic!("no copy") };
        assert!(copy.starts_with(b"RSD PTR 0123456789ab\0\0"));
    });
}

/// Memory that UEFI keeps after the exit of its boot services: runtime services (5, 6), ACPI (9, 10), and memory with
/// the attribute RUNTIME; and device memory (11).
#[test]
fn uefi_keeps_some_memory() {
    const RUNTIME: u64 = 1 << 63;
    let entries = [
        (7, MIB, 7 * 256, 0xf),
        (10, 8 * MIB, 256, 0xf),
        (3, 9 * MIB, 256, 0xf),
        (4, 10 * MIB, 256, 0xf | RUNTIME),
        (2, 11 * MIB, 256, 0xf),
        (5, 12 * MIB, 256, 0xf | RUNTIME),
        (9, 13 * MIB, 256, 0xf),
        (1, 14 * MIB, 256, 0xf),
        (11, 16 * MIB, 256, 0xf | RUNTIME),
    ];
    // The entries are longer than their known fields; the loader's own map has less detail.
    let list = List::new().tag(6, &map(24, &[(MIB, 31 * MIB, 1)])).tag(17, &efi_map(48, &entries));
    list.tag(14, &[1; 20]).tag(15, &[2; 36]).read(|tags| {
        let tags = tags.expect("a complete list");
        let free = [MIB..2 * MIB, 4 * MIB..8 * MIB, 9 * MIB..10 * MIB, 11 * MIB..12 * MIB, 14 * MIB..15 * MIB];
        assert_eq!(tags.memory.usable[..], free);
        let address_map = (tags.memory.address_map.memory.as_slice(), tags.memory.address_map.reserved.as_slice());
        assert_eq!(address_map, (slice::from_ref(&(MIB..15 * MIB)), slice::from_ref(&(16 * MIB..17 * MIB))));
        assert_eq!(tags.protocol, BootProtocol::Multiboot2Uefi);
        assert!(matches!(tags.root_pointer, Some(RootPointer::Copy(copy)) if copy == [2; 36]));
    });
}

#[test]
fn invalid_maps_are_empty() {
    for size in [0, 8, 23, u32::MAX] {
        let map = [size.to_le_bytes(), [0; 4], [1; 4], [1; 4]].concat();
        assert_eq!(regions(&map).count(), 0, "{size}");
        assert_eq!(efi_regions(&map).count(), 0, "{size}");
    }
    assert_eq!(regions(&[]).count() + efi_regions(&[24]).count(), 0);
    let ends = regions(&map(24, &[(u64::MAX - 1, 10, 1)])).map(|region| region.range.end).collect::<Vec<_>>();
    assert_eq!(ends, [u64::MAX]);
}

#[test]
fn a_missing_memory_map_and_boot_services_are_errors() {
    let error = |list: List| list.read(|tags| tags.err());
    let protocol = BootProtocol::Multiboot2;
    assert_eq!(error(List::new().tag(1, b"x\0")), Some(BootError::NoMemoryMap { protocol }));
    assert_eq!(error(List::new().tag(18, &[])), Some(BootError::BootServices));
}
