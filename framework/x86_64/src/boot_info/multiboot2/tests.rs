//! Lists as GRUB makes them, and as nobody should.

use alloc::vec::Vec;
use core::slice;

use super::*;

const MIB: u64 = 1 << 20;

/// A list in the making: dwords, since it must be aligned to eight bytes.
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

    /// What is understood of it, with an image from 2 to 4 MiB.
    fn read<R>(self, check: impl FnOnce(Result<ParsedTags<'_>, BootError>) -> R) -> R {
        let mut whole = self.tag(0, &[]).0;
        whole[0] = whole.len() as u64 * 8;
        // SAFETY: the vector is as long as it says.
        let list = unsafe { BootInformation::load(whole.as_ptr().cast()) };
        check(understand(&list.expect("a whole list"), 2 * MIB..4 * MIB))
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
fn a_bios_tells_of_memory_tables_and_words() {
    let list = List::new().tag(1, b"irq=intx -- a b\0");
    let list = list.tag(6, &map(24, &[(0, 0x9fc00, 1), (MIB, 31 * MIB, 1), (30 * MIB, 2 * MIB, 3)]));
    list.tag(14, b"RSD PTR 0123456789ab").read(|told| {
        let told = told.expect("all that is needed");
        assert_eq!(told.usable[..], [MIB..2 * MIB, 4 * MIB..30 * MIB]);
        assert_eq!((told.protocol, told.command_line), (BootProtocol::Multiboot2, &b"irq=intx -- a b\0"[..]));
        let Some(RootPointer::Copy(copy)) = told.root_pointer else { panic!("no copy") };
        assert!(copy.starts_with(b"RSD PTR 0123456789ab\0\0"));
    });
}

/// What UEFI keeps after its boot services: runtime services (5, 6), ACPI's (9, 10), and what it marks as its own;
/// and device memory (11).
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
    // Firmware's entries are longer than what is known of them; and the loader's own map says less.
    let list = List::new().tag(6, &map(24, &[(MIB, 31 * MIB, 1)])).tag(17, &efi_map(48, &entries));
    list.tag(14, &[1; 20]).tag(15, &[2; 36]).read(|told| {
        let told = told.expect("all that is needed");
        let free = [MIB..2 * MIB, 4 * MIB..8 * MIB, 9 * MIB..10 * MIB, 11 * MIB..12 * MIB, 14 * MIB..15 * MIB];
        assert_eq!(told.usable[..], free);
        let address_map = (told.address_map.memory.as_slice(), told.address_map.reserved.as_slice());
        assert_eq!(address_map, (slice::from_ref(&(MIB..15 * MIB)), slice::from_ref(&(16 * MIB..17 * MIB))));
        assert_eq!(told.protocol, BootProtocol::Multiboot2Uefi);
        assert!(matches!(told.root_pointer, Some(RootPointer::Copy(copy)) if copy == [2; 36]));
    });
}

#[test]
fn maps_that_make_no_sense_hold_nothing() {
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
fn what_must_be_there_is_asked_for() {
    let error = |list: List| list.read(|told| told.err());
    let protocol = BootProtocol::Multiboot2;
    assert_eq!(error(List::new().tag(1, b"x\0")), Some(BootError::NoMemoryMap { protocol }));
    assert_eq!(error(List::new().tag(18, &[])), Some(BootError::BootServices));
}
