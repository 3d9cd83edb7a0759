//! The MP table of machines without ACPI: the whole BIOS area, or entries behind a valid pointer and header.

use switchboard::interrupt::Gsi;
use switchboard_x86_64::firmware_tables::{self, PhysicalMemory};

/// The BIOS area, with the pointer first; where the table is; and the bytes of its header.
const BASE: u64 = 0xf_0000;
const BIOS_BYTES: usize = 0x1_0000;
const TABLE: usize = 16;
const TABLE_ADDRESS: u32 = 0xf_0010;
const HEADER: usize = 44;

/// Runs the target.
pub(crate) fn run(data: &[u8]) {
    let Some((kind, bytes)) = data.split_first() else { return };
    let mut bios = vec![0; BIOS_BYTES];
    if kind & 1 == 0 {
        let length = bytes.len().min(BIOS_BYTES);
        bios[..length].copy_from_slice(&bytes[..length]);
    } else {
        let entries = &bytes[..bytes.len().min(BIOS_BYTES / 2)];
        let end = TABLE + HEADER + entries.len();
        bios[TABLE..TABLE + 4].copy_from_slice(b"PCMP");
        bios[TABLE + 4..TABLE + 6].copy_from_slice(&u16::try_from(end - TABLE).unwrap_or(0).to_le_bytes());
        bios[TABLE + HEADER..end].copy_from_slice(entries);
        bios[TABLE + 7] = complement(&bios[TABLE..end]);
        bios[..4].copy_from_slice(b"_MP_");
        bios[4..8].copy_from_slice(&TABLE_ADDRESS.to_le_bytes());
        bios[8] = 1;
        bios[10] = complement(&bios[..TABLE]);
    }
    let Some((tables, routes)) = firmware_tables::mp_table(&Bios(bios)) else { return };
    assert!((1..=16).contains(&tables.io_apics.len()), "{:?}", tables.io_apics);
    assert!(tables.lines.len() == 256 && tables.lines[0].is_none() && tables.lines[255].is_none());
    let is_of_io_apic =
        |gsi: Gsi| tables.io_apics.iter().any(|(_, first)| gsi.0.checked_sub(*first).is_some_and(|input| input < 256));
    assert!(tables.lines.iter().flatten().all(|(gsi, _)| is_of_io_apic(*gsi)), "a line of no I/O APIC");
    assert!(routes.iter().all(|route| route.device < 32 && route.pin < 4 && is_of_io_apic(route.gsi)), "{routes:?}");
}

/// Returns what makes the sum of all bytes zero.
fn complement(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_sub(*byte))
}

/// Physical memory with the BIOS area only.
struct Bios(Vec<u8>);

impl PhysicalMemory for Bios {
    fn copy(&self, address: u64, length: u64) -> Option<Vec<u8>> {
        let start = usize::try_from(address.checked_sub(BASE)?).ok()?;
        let end = start.checked_add(usize::try_from(length).ok()?)?;
        self.0.get(start..end).map(<[u8]>::to_vec)
    }
}
