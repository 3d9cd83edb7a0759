//! ACPI's tables: found, checked, copied, and read without trust.
//!
//! The `acpi` crate knows the layout and the checksums of the root pointer and of table headers. Its walk and
//! its iterators are not used: they follow lengths that they have not compared with anything. A table that is
//! missing or wrong costs what it would have told, never the boot.

#![expect(unsafe_code, reason = "tables are at physical addresses")]

use alloc::vec::Vec;

use acpi::rsdp::Rsdp;
use acpi::sdt::{SdtHeader, Signature};

use super::madt::Madt;
use super::physical::PhysicalMemory;
use super::{dsdt, to_usize};
use switchboard::platform::EcamRegion;

/// No table that is read here is longer, in bytes.
const TABLE_LIMIT: u32 = 64 << 10;
/// Where a BIOS keeps the root pointer, at a multiple of 16 (ACPI 6.5, 5.2.5.1).
const BIOS_AREA: core::ops::Range<u64> = 0xe0000..0x100000;
/// Bytes of an MCFG before its first allocation, and of an allocation (PCI firmware 3.2, 4.1.2).
const MCFG_HEADER: usize = 44;
const MCFG_ENTRY: usize = 16;
/// Where the FADT names the DSDT, the power management timer's port, and the DSDT by 64 bits (ACPI 6.5, 5.2.9).
const FADT_DSDT: usize = 40;
const FADT_PM_TIMER: usize = 76;
const FADT_X_DSDT: usize = 140;

/// Where ACPI begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RootPointer {
    /// At a physical address.
    At(u64),
    /// The loader's copy of it; the shorter one of ACPI 1.0 is followed by zeros.
    Copy([u8; size_of::<Rsdp>()]),
}

impl RootPointer {
    /// Keeps as much of the loader's copy as a root pointer has.
    pub(super) fn copy(bytes: &[u8]) -> Self {
        let mut copy = [0; size_of::<Rsdp>()];
        copy.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        Self::Copy(copy)
    }
}

/// What the tables say.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) madt: Madt,
    pub(super) ecam: Vec<EcamRegion>,
    /// I/O port of the power management timer.
    pub(super) pm_timer: Option<u16>,
}

/// Reads the tables, from the loader's root pointer or wherever a BIOS keeps one.
pub(super) fn read(pointer: Option<RootPointer>, memory: &dyn PhysicalMemory) -> Tables {
    let mut tables = Tables::default();
    let given = pointer.and_then(|pointer| match pointer {
        RootPointer::At(address) => root_table(address, memory),
        RootPointer::Copy(bytes) => listed(&bytes, memory),
    });
    let Some(root) = given.or_else(|| search(memory)) else {
        log::warn!("no ACPI tables: lines have no route");
        return tables;
    };
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
                tables.pm_timer = pm_timer(&fadt);
                dsdt = dsdt_address(&fadt);
            }
            _ => {}
        }
    }
    if let Some(at) = dsdt.filter(|_| tables.ecam.is_empty()) {
        let bytes = read_header(at, memory).and_then(|header| table(at, header, Signature::DSDT, memory));
        tables.ecam.extend(bytes.and_then(|bytes| dsdt::ecam(&bytes)));
    }
    if tables.madt.io_apics.is_empty() {
        log::warn!("no MADT with an I/O APIC: lines have no route");
    }
    tables
}

fn search(memory: &dyn PhysicalMemory) -> Option<Vec<u64>> {
    BIOS_AREA.step_by(16).find_map(|at| {
        let is_signed = memory.copy(at, 8)? == *b"RSD PTR ";
        if is_signed { root_table(at, memory) } else { None }
    })
}

/// The addresses in the table that a root pointer at `at` leads to.
fn root_table(at: u64, memory: &dyn PhysicalMemory) -> Option<Vec<u64>> {
    let bytes = memory.copy(at, size_of::<Rsdp>() as u64)?;
    listed(bytes.first_chunk()?, memory)
}

/// The addresses in the table that a root pointer of these bytes leads to.
fn listed(bytes: &[u8; size_of::<Rsdp>()], memory: &dyn PhysicalMemory) -> Option<Vec<u64>> {
    // SAFETY: as many bytes as an `Rsdp` has, which is packed and valid whatever they are.
    let rsdp = unsafe { bytes.as_ptr().cast::<Rsdp>().read() };
    // The checksum is taken over as many bytes as the pointer says it has: no more than were copied.
    if rsdp.revision() > 0 && to_usize(u64::from(rsdp.length())) > bytes.len() {
        log::warn!("ACPI root pointer: {} bytes long", rsdp.length());
        return None;
    }
    rsdp.validate().inspect_err(|error| log::warn!("ACPI root pointer: {error:?}")).ok()?;
    let (address, signature, width) = match rsdp.revision() {
        0 => (u64::from(rsdp.rsdt_address()), Signature::RSDT, 4),
        _ => (rsdp.xsdt_address(), Signature::XSDT, 8),
    };
    let table = table(address, read_header(address, memory)?, signature, memory)?;
    let entries = table[size_of::<SdtHeader>()..].chunks_exact(width);
    Some(entries.map(|entry| entry.iter().rev().fold(0, |address, byte| address << 8 | u64::from(*byte))).collect())
}

fn read_header(address: u64, memory: &dyn PhysicalMemory) -> Option<SdtHeader> {
    let bytes = memory.copy(address, size_of::<SdtHeader>() as u64)?;
    // SAFETY: as many bytes as a header has, which is packed and valid whatever they are.
    Some(unsafe { bytes.as_ptr().cast::<SdtHeader>().read() })
}

/// A whole table, with the header that was read before, if it is what `signature` says and adds up.
fn table(address: u64, header: SdtHeader, signature: Signature, memory: &dyn PhysicalMemory) -> Option<Vec<u8>> {
    let length = header.length;
    if !(size_of::<SdtHeader>() as u64..=u64::from(TABLE_LIMIT)).contains(&u64::from(length)) {
        log::warn!("ACPI {signature} at {address:#x}: {length} bytes long");
        return None;
    }
    let bytes = memory.copy(address, u64::from(length))?;
    // SAFETY: a header's worth of bytes at least, packed, valid whatever they are.
    let header = unsafe { &*bytes.as_ptr().cast::<SdtHeader>() };
    // Firmware might have changed the length meanwhile; the checksum goes by what the copy says.
    if header.length != length {
        return None;
    }
    let valid = header.validate(signature);
    valid.inspect_err(|error| log::warn!("ACPI {signature} at {address:#x}: {error:?}")).ok()?;
    Some(bytes)
}

/// The MCFG's allocations. What makes no sense is left out: an odd address, or buses that go backwards, that
/// are past the last address, or that another one has.
pub(super) fn allocations(table: &[u8]) -> Vec<EcamRegion> {
    let entries = table.get(MCFG_HEADER..).unwrap_or_default().chunks_exact(MCFG_ENTRY);
    let regions = entries.map(|entry| EcamRegion {
        base: entry[..8].iter().rev().fold(0, |base, byte| base << 8 | u64::from(*byte)),
        segment: u16::from_le_bytes([entry[8], entry[9]]),
        first_bus: entry[10],
        last_bus: entry[11],
    });
    let mut good: Vec<EcamRegion> = Vec::new();
    for region in regions {
        let end = (u64::from(region.last_bus) + 1) << 20;
        let is_sound = region.base != 0
            && region.base.is_multiple_of(1 << 20)
            && region.base.checked_add(end).is_some()
            && region.first_bus <= region.last_bus;
        // Of two that speak for one bus, the first counts.
        let is_said = good.iter().any(|other| {
            let (first, last) = (other.first_bus, other.last_bus);
            other.segment == region.segment && first <= region.last_bus && region.first_bus <= last
        });
        match is_sound && !is_said {
            true => good.push(region),
            false => log::warn!("MCFG: left out {region:x?}"),
        }
    }
    good
}

fn pm_timer(fadt: &[u8]) -> Option<u16> {
    let port = fadt.get(FADT_PM_TIMER..FADT_PM_TIMER + 2)?;
    Some(u16::from_le_bytes([port[0], port[1]])).filter(|port| *port != 0)
}

/// Where the DSDT is: by the wider field where there is one, since the other is then obsolete.
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
    fn odd_allocations_are_left_out() {
        let backwards = [0, 0, 0, 0xb0, 0, 0, 0, 0, 0, 0, 9, 3, 0, 0, 0, 0];
        let unaligned = [4, 0, 0, 0xb0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0];
        assert_eq!(allocations(&mcfg(&[backwards, unaligned, [0; MCFG_ENTRY]])), []);
        assert_eq!(allocations(&[0; 10]), []);
    }

    #[test]
    fn the_dsdt_is_where_the_wider_field_says() {
        let mut fadt = vec![0; FADT_X_DSDT + 8];
        assert_eq!(dsdt_address(&fadt), None);
        fadt[FADT_DSDT + 1] = 0x80;
        assert_eq!(dsdt_address(&fadt), Some(0x8000));
        assert_eq!(dsdt_address(&fadt[..FADT_X_DSDT + 4]), Some(0x8000));
        fadt[FADT_X_DSDT + 4] = 1;
        assert_eq!(dsdt_address(&fadt), Some(1 << 32));
    }

    #[test]
    fn the_pm_timer_of_a_short_fadt_is_none() {
        assert_eq!(pm_timer(&[0; 60]), None);
        assert_eq!(pm_timer(&[&[0; FADT_PM_TIMER][..], &[0x08, 0x06]].concat()), Some(0x608));
    }
}
