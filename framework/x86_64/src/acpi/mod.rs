//! ACPI tables: found, copied, and parsed without trust in firmware.
//!
//! The `acpi` crate has the layout and the checksums of table headers. Its walk and its
//! iterators are not used: they follow lengths that are not bounded. A missing or invalid table never fails the boot;
//! the machine does without what it describes.

#![expect(unsafe_code, reason = "tables are at physical addresses")]

mod power;
mod root_pointer;
mod sleep;

use alloc::vec::Vec;

use acpi::sdt::{SdtHeader, Signature};

use super::calibrate::AcpiTimers;
use super::dsdt;
use super::madt::Madt;
use super::mp_table::{self, PciLine};
use super::physical::PhysicalMemory;
use switchboard::platform::EcamRegion;

pub(super) use power::FixedHardware;
pub(super) use root_pointer::RootPointer;
pub(super) use sleep::soft_off_type;

/// The largest table that is read, in bytes; of those with code, which describe the whole board, another.
const TABLE_LIMIT_BYTES: u32 = 64 << 10;
const AML_LIMIT_BYTES: u32 = 1 << 20;
/// Tables with code, at most.
const MAX_AML_TABLES: usize = 64;
/// Bytes of an MCFG before its first allocation structure, and of such a structure (PCI firmware 3.2, 4.1.2).
const MCFG_HEADER: usize = 44;
const MCFG_ENTRY: usize = 16;
/// Offsets in the FADT: DSDT, PM_TMR_BLK, CENTURY and X_DSDT (ACPI 6.5, 5.2.9).
const FADT_DSDT: usize = 40;
const FADT_PM_TIMER: usize = 76;
const FADT_CENTURY: usize = 108;
const FADT_X_DSDT: usize = 140;
/// Offset in the HPET's table of the structure with its address.
const HPET_SPACE: usize = 40;

/// The facts that are taken from the tables.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) madt: Madt,
    pub(super) ecam: Vec<EcamRegion>,
    pub(super) timers: AcpiTimers,
    /// The register of the real-time clock that has the century.
    pub(super) century_register: Option<u8>,
    /// The physical addresses of the tables with code: of the DSDT, and then of SSDTs.
    pub(super) aml: Vec<u64>,
    /// The lines of PCI devices by the MP table, which is read where ACPI has no I/O APIC.
    pub(super) pci_lines: Vec<PciLine>,
    pub(super) hardware: Option<FixedHardware>,
}

/// Reads the tables, from the loader's root pointer or, when it is missing or invalid, from the BIOS area. Where they have
/// no I/O APIC, the MP table may have.
pub(super) fn read(pointer: Option<RootPointer>, memory: &dyn PhysicalMemory) -> Tables {
    let root = root_pointer::tables(pointer, memory);
    let what = if root.is_some() { "MADT with an I/O APIC" } else { "ACPI tables" };
    let mut tables = root.map(|root| read_listed(root, memory)).unwrap_or_default();
    if tables.madt.io_apics.is_empty() {
        let table = if cfg!(feature = "mp-table") { mp_table::read(memory) } else { None };
        match table {
            Some(table) => {
                log::info!("no {what}: lines by the MP table, which has {} PCI routes", table.pci.len());
                (tables.madt, tables.pci_lines) = (table.madt, table.pci);
            }
            None => log::warn!("no {what}, and no MP table: lines have no route"),
        }
    }
    tables
}

/// Reads the tables at these addresses.
fn read_listed(root: Vec<u64>, memory: &dyn PhysicalMemory) -> Tables {
    let mut tables = Tables::default();
    let mut dsdt = None;
    for address in root {
        let Some(header) = read_header(address, memory) else { continue };
        let table = |signature| table(address, header, signature, memory);
        match header.signature {
            Signature::MADT => {
                tables.madt = table(Signature::MADT).map(|bytes| Madt::parse(&bytes)).unwrap_or_default();
            }
            Signature::MCFG => {
                tables.ecam = table(Signature::MCFG).map(|bytes| allocations(&bytes)).unwrap_or_default();
            }
            Signature::FADT => {
                let fadt = table(Signature::FADT).unwrap_or_default();
                tables.timers.pm_timer = pm_timer(&fadt);
                tables.century_register = fadt.get(FADT_CENTURY).copied().filter(|register| *register != 0);
                dsdt = dsdt_address(&fadt);
                tables.hardware = FixedHardware::read(&fadt);
            }
            Signature::HPET => {
                tables.timers.hpet = table(Signature::HPET).as_deref().and_then(hpet);
            }
            Signature::SSDT if tables.aml.len() < MAX_AML_TABLES => tables.aml.push(address),
            _ => {}
        }
    }
    // Without a DSDT, there is nothing that an SSDT could add to.
    match dsdt {
        Some(at) => tables.aml.insert(0, at),
        None => tables.aml.clear(),
    }
    if let Some(at) = dsdt.filter(|_| tables.ecam.is_empty()) {
        let bytes = read_header(at, memory).and_then(|header| table(at, header, Signature::DSDT, memory));
        tables.ecam.extend(bytes.and_then(|bytes| dsdt::ecam(&bytes)));
    }
    tables
}

/// Copies a table with code: a DSDT or an SSDT.
pub(super) fn aml_table(address: u64, memory: &dyn PhysicalMemory) -> Option<Vec<u8>> {
    let header = read_header(address, memory)?;
    let signature = if header.signature == Signature::DSDT { Signature::DSDT } else { Signature::SSDT };
    table_within(AML_LIMIT_BYTES, address, header, signature, memory)
}

fn read_header(address: u64, memory: &dyn PhysicalMemory) -> Option<SdtHeader> {
    let bytes = memory.copy(address, size_of::<SdtHeader>() as u64)?;
    // SAFETY: the bytes of a header, which is packed, and for which any bytes are valid.
    Some(unsafe { bytes.as_ptr().cast::<SdtHeader>().read() })
}

/// Copies a whole table whose header was read before. Returns `None` when signature, length or checksum is wrong.
fn table(address: u64, header: SdtHeader, signature: Signature, memory: &dyn PhysicalMemory) -> Option<Vec<u8>> {
    table_within(TABLE_LIMIT_BYTES, address, header, signature, memory)
}

fn table_within(
    limit_bytes: u32,
    address: u64,
    header: SdtHeader,
    signature: Signature,
    memory: &dyn PhysicalMemory,
) -> Option<Vec<u8>> {
    let length = header.length;
    if !(size_of::<SdtHeader>() as u64..=u64::from(limit_bytes)).contains(&u64::from(length)) {
        log::warn!("ACPI {signature} at {address:#x}: {length} bytes long");
        return None;
    }
    let bytes = memory.copy(address, u64::from(length))?;
    // SAFETY: at least the bytes of a header, which is packed, and for which any bytes are valid.
    let header = unsafe { &*bytes.as_ptr().cast::<SdtHeader>() };
    // The checksum covers the length in the copy, which firmware may have changed since the header was read.
    if header.length != length {
        return None;
    }
    let valid = header.validate(signature);
    valid.inspect_err(|error| log::warn!("ACPI {signature} at {address:#x}: {error:?}")).ok()?;
    Some(bytes)
}

/// Returns the regions of an MCFG. Invalid ones are left out: an unaligned address, a last bus before the first, an end
/// past the last address, or buses of an earlier region.
pub(super) fn allocations(table: &[u8]) -> Vec<EcamRegion> {
    let entries = table.get(MCFG_HEADER..).unwrap_or_default().chunks_exact(MCFG_ENTRY);
    let regions = entries.map(|entry| EcamRegion {
        base: entry[..8].iter().rev().fold(0, |base, byte| base << 8 | u64::from(*byte)),
        segment: u16::from_le_bytes([entry[8], entry[9]]),
        first_bus: entry[10],
        last_bus: entry[11],
    });
    let mut valid: Vec<EcamRegion> = Vec::new();
    for region in regions {
        let end = (u64::from(region.last_bus) + 1) << 20;
        let is_valid = region.base != 0
            && region.base.is_multiple_of(1 << 20)
            && region.base.checked_add(end).is_some()
            && region.first_bus <= region.last_bus;
        // Of two regions for one bus, the first counts.
        let is_covered = valid.iter().any(|other| {
            let (first, last) = (other.first_bus, other.last_bus);
            other.segment == region.segment && first <= region.last_bus && region.first_bus <= last
        });
        match is_valid && !is_covered {
            true => valid.push(region),
            false => {
                let EcamRegion { base, segment, first_bus, last_bus } = region;
                log::warn!("MCFG: left out {base:#x} for segment {segment}, buses {first_bus:#x} to {last_bus:#x}");
            }
        }
    }
    valid
}

/// Returns the I/O port of the power management timer, or `None` when there is none.
fn pm_timer(fadt: &[u8]) -> Option<u16> {
    let port = fadt.get(FADT_PM_TIMER..FADT_PM_TIMER + 2)?;
    Some(u16::from_le_bytes([port[0], port[1]])).filter(|port| *port != 0)
}

/// Returns the physical address of the HPET's registers, which a generic address structure has: address space 0 is
/// memory (IA-PC HPET 1.0a, 3.2.4).
fn hpet(table: &[u8]) -> Option<u64> {
    let is_memory = *table.get(HPET_SPACE)? == 0;
    let address = u64::from_le_bytes(table.get(HPET_SPACE + 4..)?.first_chunk().copied()?);
    Some(address).filter(|address| is_memory && *address != 0)
}

/// Returns the address of the DSDT: of the 64-bit field where it is set, since the other is then obsolete.
fn dsdt_address(fadt: &[u8]) -> Option<u64> {
    let field = |at: usize, width: usize| {
        let bytes = fadt.get(at..at + width)?;
        Some(bytes.iter().rev().fold(0, |address, byte| address << 8 | u64::from(*byte))).filter(|at| *at != 0)
    };
    field(FADT_X_DSDT, 8).or_else(|| field(FADT_DSDT, 4))
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn mcfg(entries: &[[u8; MCFG_ENTRY]]) -> Vec<u8> {
        [&[0; MCFG_HEADER][..], entries.as_flattened()].concat()
    }

    #[test]
    fn qemus_mcfg() {
        let table = mcfg(&[[0, 0, 0, 0xb0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0, 0, 0, 0]]);
        let region = EcamRegion { base: 0xb000_0000, segment: 0, first_bus: 0, last_bus: 255 };
        assert_eq!(allocations(&table), [region]);
        assert_eq!(allocations(&table[..table.len() - 1]), []);
    }

    #[test]
    fn invalid_allocations_are_left_out() {
        let backwards = [0, 0, 0, 0xb0, 0, 0, 0, 0, 0, 0, 9, 3, 0, 0, 0, 0];
        let unaligned = [4, 0, 0, 0xb0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0];
        assert_eq!(allocations(&mcfg(&[backwards, unaligned, [0; MCFG_ENTRY]])), []);
        assert_eq!(allocations(&[0; 10]), []);
    }

    #[test]
    fn the_64_bit_field_of_the_dsdt_takes_precedence() {
        let mut fadt = vec![0; FADT_X_DSDT + 8];
        assert_eq!(dsdt_address(&fadt), None);
        fadt[FADT_DSDT + 1] = 0x80;
        assert_eq!(dsdt_address(&fadt), Some(0x8000));
        assert_eq!(dsdt_address(&fadt[..FADT_X_DSDT + 4]), Some(0x8000));
        fadt[FADT_X_DSDT + 4] = 1;
        assert_eq!(dsdt_address(&fadt), Some(1 << 32));
    }

    #[test]
    fn the_address_of_an_hpet_in_memory() {
        let table = |space, address: u64| [&[0; HPET_SPACE][..], &[space, 64, 0, 0], &address.to_le_bytes()].concat();
        assert_eq!(hpet(&table(0, 0xfed0_0000)), Some(0xfed0_0000));
        assert_eq!(hpet(&table(1, 0xfed0_0000)), None, "ports");
        assert_eq!(hpet(&table(0, 0)), None);
        assert_eq!(hpet(&table(0, 0xfed0_0000)[..50]), None);
    }

    #[test]
    fn a_short_fadt_has_no_pm_timer() {
        assert_eq!(pm_timer(&[0; 60]), None);
        assert_eq!(pm_timer(&[&[0; FADT_PM_TIMER][..], &[0x08, 0x06]].concat()), Some(0x608));
    }
}
