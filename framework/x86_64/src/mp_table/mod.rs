//! The MP configuration table: the I/O APICs, and what reaches their inputs, on machines without ACPI (Intel
//! MultiProcessor Specification 1.4, chapter 4).
//!
//! A floating pointer structure in the BIOS area leads to the table, or names one of seven default configurations,
//! which have one I/O APIC. Nothing is taken from a structure with a wrong length or checksum, and a truncated entry ends
//! the list.

mod pointer;

use alloc::vec::Vec;

use super::madt::{IoApicEntry, Madt, Override, Polarity};
use super::physical::PhysicalMemory;
use pointer::{Configuration, sum};
use switchboard::interrupt::Gsi;

const SIGNATURE: &[u8; 4] = b"PCMP";
/// Bytes of the table's header, and the offset of its length, which counts the header (4.2).
const HEADER: usize = 44;
const LENGTH: usize = 4;
/// I/O APICs that are used, at most: their ids have four bits.
const MAX_IO_APICS: usize = 16;
/// The distance of the first lines of two I/O APICs, of which each has at most 240 inputs. The table counts the inputs of
/// each I/O APIC from 0.
const LINES_OF_IO_APIC: u32 = 256;
/// The I/O APIC of the default configurations, and the local APIC ids of the CPUs (table 5-1, 4.3.1).
const DEFAULT_IO_APIC: u64 = 0xfec0_0000;
const DEFAULT_CPUS: [u32; 2] = [0, 1];

/// The line of a PCI device's pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PciLine {
    pub(super) bus: u8,
    pub(super) device: u8,
    /// 0 for INTA.
    pub(super) pin: u8,
    pub(super) gsi: Gsi,
}

/// The facts of an MP table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct MpTable {
    /// I/O APICs, overrides and CPUs, as of a MADT.
    pub(super) madt: Madt,
    pub(super) pci: Vec<PciLine>,
}

/// Finds and reads the table. Returns `None` where there is none, or it is invalid, or has no I/O APIC.
pub(super) fn read(memory: &dyn PhysicalMemory) -> Option<MpTable> {
    let table = match pointer::find(memory)? {
        Configuration::Default => default_configuration(),
        Configuration::Table(address) => parse(&copy(address, memory)?),
    };
    Some(table).filter(|table| !table.madt.io_apics.is_empty())
}

fn default_configuration() -> MpTable {
    let io_apics = Vec::from([IoApicEntry { address: DEFAULT_IO_APIC, first_gsi: 0 }]);
    MpTable { madt: Madt { io_apics, cpus: DEFAULT_CPUS.into(), ..Madt::default() }, pci: Vec::new() }
}

/// Copies a table with valid length and checksum.
fn copy(address: u64, memory: &dyn PhysicalMemory) -> Option<Vec<u8>> {
    let header = memory.copy(address, HEADER as u64)?;
    let length = |bytes: &[u8]| u16::from_le_bytes([bytes[LENGTH], bytes[LENGTH + 1]]);
    if !header.starts_with(SIGNATURE) || usize::from(length(&header)) < HEADER {
        log::warn!("MP table at {address:#x}: wrong signature or length");
        return None;
    }
    let table = memory.copy(address, length(&header).into())?;
    // The checksum covers the length in the copy, too, which may have changed since the header was read.
    if sum(&table) != 0 || length(&table) != length(&header) {
        log::warn!("MP table at {address:#x}: wrong checksum");
        return None;
    }
    Some(table)
}

/// Parses a whole table with a valid checksum.
fn parse(table: &[u8]) -> MpTable {
    let mut entries = Entries::default();
    let mut rest = table.get(HEADER..).unwrap_or_default();
    while let Some(kind) = rest.first() {
        // Processors have 20 bytes, the other four kinds 8 (4.3).
        let length = if *kind == 0 { 20 } else { 8 };
        let Some((entry, next)) = rest.split_at_checked(length).filter(|_| *kind <= 4) else {
            log::warn!("MP table: an entry of kind {kind} where {} bytes are left", rest.len());
            break;
        };
        entries.add(entry);
        rest = next;
    }
    entries.finish()
}

/// The kind of a bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bus {
    Isa,
    Pci,
}

/// An interrupt assignment: its source, its destination, and its polarity.
#[derive(Debug, Clone, Copy)]
struct Assignment {
    bus: u8,
    source: u8,
    apic: u8,
    input: u8,
    polarity: Option<Polarity>,
}

/// The entries so far. They may refer to later ones.
#[derive(Debug, Default)]
struct Entries {
    cpus: Vec<u32>,
    buses: Vec<(u8, Bus)>,
    /// Id and address of each I/O APIC.
    io_apics: Vec<(u8, u64)>,
    assignments: Vec<Assignment>,
}

impl Entries {
    fn add(&mut self, entry: &[u8]) {
        match *entry {
            // A processor: local APIC id and version, flags with "usable" in bit 0.
            [0, id, _, flags, ..] if flags & 1 == 1 => self.cpus.push(id.into()),
            // A bus: id, and six letters.
            [1, id, ref letters @ ..] if letters.starts_with(b"PCI") => self.buses.push((id, Bus::Pci)),
            [1, id, ref letters @ ..] if letters.starts_with(b"ISA") || letters.starts_with(b"EISA") => {
                self.buses.push((id, Bus::Isa));
            }
            // An I/O APIC: id, version, flags with "usable" in bit 0, address.
            [2, id, _, flags, a0, a1, a2, a3]
                if flags & 1 == 1
                    && self.io_apics.len() < MAX_IO_APICS
                    && self.io_apics.iter().all(|(of, _)| *of != id) =>
            {
                self.io_apics.push((id, u32::from_le_bytes([a0, a1, a2, a3]).into()));
            }
            // A vectored interrupt (type 0): flags with the polarity in bits 0 and 1, source, destination.
            [3, 0, flags, _, bus, source, apic, input] => {
                let polarity = match flags & 3 {
                    1 => Some(Polarity::High),
                    3 => Some(Polarity::Low),
                    // "Conforms to the bus", or reserved.
                    _ => None,
                };
                self.assignments.push(Assignment { bus, source, apic, input, polarity });
            }
            _ => {}
        }
    }

    fn finish(self) -> MpTable {
        let first_gsi = |index: usize| u32::try_from(index).unwrap_or(0) * LINES_OF_IO_APIC;
        let io_apics = self.io_apics.iter().enumerate();
        let entries =
            io_apics.map(|(index, (_, address))| IoApicEntry { address: *address, first_gsi: first_gsi(index) });
        let mut madt = Madt { io_apics: entries.collect(), ..Madt::default() };
        self.cpus.iter().for_each(|id| madt.add_cpu(*id));
        let mut pci = Vec::new();
        for Assignment { bus, source, apic, input, polarity } in self.assignments {
            let kind = self.buses.iter().find(|(id, _)| *id == bus).map(|(_, kind)| *kind);
            let Some(index) = self.io_apics.iter().position(|(id, _)| *id == apic) else { continue };
            let gsi = Gsi(first_gsi(index) + u32::from(input));
            match kind {
                // A line that conforms to ISA is of no use to PCI but for where it goes.
                Some(Bus::Isa) => madt.overrides.push(Override { line: Some(source), gsi, polarity }),
                // Pin in bits 0 and 1, device above (D.3); the id of a PCI bus is its number.
                Some(Bus::Pci) => {
                    pci.push(PciLine { bus, device: source >> 2 & 31, pin: source & 3, gsi });
                    madt.overrides.push(Override { line: None, gsi, polarity });
                }
                None => {}
            }
        }
        MpTable { madt, pci }
    }
}

#[cfg(test)]
mod tests;
