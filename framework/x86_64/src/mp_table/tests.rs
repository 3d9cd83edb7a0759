//! Tables as firmware makes them, and tables that are damaged.

use alloc::vec;

use super::*;
use crate::integer::to_usize;

/// The first MiB.
struct Bios(Vec<u8>);

impl PhysicalMemory for Bios {
    fn copy(&self, address: u64, length: u64) -> Option<Vec<u8>> {
        let start = to_usize(address);
        self.0.get(start..start.checked_add(to_usize(length))?).map(<[u8]>::to_vec)
    }
}

const TABLE: u32 = 0xf_1000;

/// Returns the table of SeaBIOS on QEMU's `pc`: one CPU, PCI and ISA, an I/O APIC, a card in slot 3, and ISA interrupts.
fn seabios() -> Vec<u8> {
    let mut table = vec![0; HEADER];
    table[..4].copy_from_slice(SIGNATURE);
    table.extend([0, 0, 0x14, 3, 0x60, 0xf, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    table.extend(*b"\x01\x00PCI   ");
    table.extend(*b"\x01\x01ISA   ");
    table.extend([2, 0, 0x11, 1, 0, 0, 0xc0, 0xfe]);
    table.extend([3, 0, 1, 0, 0, 3 << 2, 0, 11]);
    table.extend([3, 0, 0, 0, 1, 0, 0, 2]);
    table.extend([3, 0, 0, 0, 1, 7, 0, 7]);
    // ExtINT and NMI.
    table.extend([4, 3, 0, 0, 1, 0, 0, 0]);
    table.extend([4, 1, 0, 0, 1, 0, 0xff, 1]);
    table
}

/// Writes the length and the checksum.
fn valid(mut table: Vec<u8>) -> Vec<u8> {
    let length = u16::try_from(table.len()).unwrap().to_le_bytes();
    table[LENGTH..LENGTH + 2].copy_from_slice(&length);
    table[7] = 0;
    table[7] = sum(&table).wrapping_neg();
    table
}

fn floating_pointer(address: u32, feature: u8) -> [u8; 16] {
    let mut pointer = [0; 16];
    pointer[..4].copy_from_slice(b"_MP_");
    pointer[4..8].copy_from_slice(&address.to_le_bytes());
    (pointer[8], pointer[9], pointer[11]) = (1, 4, feature);
    pointer[10] = sum(&pointer).wrapping_neg();
    pointer
}

fn memory(pointer_at: usize, pointer: [u8; 16], table: &[u8]) -> Bios {
    let mut memory = Bios(vec![0; 1 << 20]);
    memory.0[pointer_at..pointer_at + 16].copy_from_slice(&pointer);
    memory.0[TABLE as usize..TABLE as usize + table.len()].copy_from_slice(table);
    memory
}

#[test]
fn seabioss_table() {
    let found = read(&memory(0xf_5a80, floating_pointer(TABLE, 0), &valid(seabios()))).unwrap();
    assert_eq!(found.madt.io_apics, [IoApicEntry { address: 0xfec0_0000, first_gsi: 0 }]);
    assert_eq!(found.madt.cpus, [0]);
    assert_eq!(found.pci, [PciLine { bus: 0, device: 3, pin: 0, gsi: Gsi(11) }]);
    assert_eq!((found.madt.gsi_of(7), found.madt.gsi_of(11)), (Some(Gsi(7)), Some(Gsi(11))));
    // The polarity is that of the card's line; lines without an entry are as PCI has them.
    assert_eq!(found.madt.polarity_of(Gsi(11)), Polarity::High);
    assert_eq!(found.madt.polarity_of(Gsi(21)), Polarity::Low);
}

#[test]
fn the_pointer_is_searched_in_base_memory_too() {
    let table = valid(seabios());
    assert!(read(&memory(0x9_fc00, floating_pointer(TABLE, 0), &table)).is_some(), "the last KiB of 640");
    let mut extended = memory(0x9_f800, floating_pointer(TABLE, 0), &table);
    assert_eq!(read(&extended), None, "neither area is known");
    extended.0[0x40e..0x410].copy_from_slice(&0x9f80_u16.to_le_bytes());
    assert!(read(&extended).is_some());
    let mut base = memory(0x9_fbf0, floating_pointer(TABLE, 0), &table);
    base.0[0x413..0x415].copy_from_slice(&639_u16.to_le_bytes());
    assert!(read(&base).is_some());
    // A segment that is in use for other things is not searched.
    base.0[0x413..0x415].copy_from_slice(&u16::MAX.to_le_bytes());
    base.0[0x40e..0x410].copy_from_slice(&u16::MAX.to_le_bytes());
    assert_eq!(read(&base), None);
}

#[test]
fn a_default_configuration_has_one_io_apic() {
    for feature in 1..=7 {
        let found = read(&memory(0xf_0000, floating_pointer(0, feature), &[])).unwrap();
        assert_eq!(found.madt.io_apics, [IoApicEntry { address: 0xfec0_0000, first_gsi: 0 }], "{feature}");
        assert_eq!(found.madt.gsi_of(11), Some(Gsi(11)));
    }
    assert_eq!(read(&memory(0xf_0000, floating_pointer(0, 8), &[])), None);
}

#[test]
fn several_io_apics_have_lines_apart() {
    let mut table = seabios();
    table.extend([2, 5, 0x11, 1, 0, 0x10, 0xc0, 0xfe]);
    table.extend([2, 6, 0x11, 0, 0, 0x20, 0xc0, 0xfe]); // not usable
    table.extend([2, 5, 0x11, 1, 0, 0x30, 0xc0, 0xfe]); // the id of another
    table.extend([3, 0, 3, 0, 0, 4 << 2 | 3, 5, 2]);
    table.extend([3, 0, 3, 0, 0, 5 << 2, 6, 2]);
    let found = read(&memory(0xf_0000, floating_pointer(TABLE, 0), &valid(table))).unwrap();
    assert_eq!(found.madt.io_apics.len(), 2);
    assert_eq!(found.pci[1..], [PciLine { bus: 0, device: 4, pin: 3, gsi: Gsi(256 + 2) }]);
    assert_eq!(found.madt.polarity_of(Gsi(256 + 2)), Polarity::Low);
}

#[test]
fn damage_is_found() {
    let (pointer, table) = (floating_pointer(TABLE, 0), valid(seabios()));
    for at in [0, 5, 8, 10] {
        let mut damaged = pointer;
        damaged[at] ^= 1;
        assert_eq!(read(&memory(0xf_0000, damaged, &table)), None, "byte {at} of the pointer");
    }
    for at in [0, LENGTH, LENGTH + 1, 7, HEADER + 3] {
        let mut damaged = table.clone();
        damaged[at] ^= 0xff;
        assert_eq!(read(&memory(0xf_0000, pointer, &damaged)), None, "byte {at} of the table");
    }
    assert_eq!(read(&memory(0xf_0000, floating_pointer(u32::MAX, 0), &[])), None, "no memory there");
    assert_eq!(read(&memory(0xf_0000, pointer, &valid(vec![0; HEADER]))), None, "no signature");
    let mut short = seabios();
    short.truncate(HEADER);
    assert_eq!(read(&memory(0xf_0000, pointer, &valid(short))), None, "no I/O APIC");
}

#[test]
fn malformed_lists_end() {
    for tail in [&[0, 0][..], &[3], &[2, 0, 0, 1, 0, 0, 0], &[9, 0, 0, 0, 0, 0, 0, 0]] {
        let mut table = seabios();
        table.extend(tail);
        assert_eq!(parse(&valid(table)), parse(&valid(seabios())), "{tail:?}");
    }
    assert_eq!(parse(&[0; 3]), MpTable::default());
}
