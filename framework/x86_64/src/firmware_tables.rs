//! Firmware tables parsed from bytes, for tests and fuzzers on the host. Behind the feature `fuzzing`.

use alloc::vec::Vec;
use core::ops::Range;

use super::acpi::{self, RootPointer};
use super::madt::{Madt, Polarity};
pub use super::physical::PhysicalMemory;
use super::{config_space, dsdt, mp_table};
use switchboard::config::ConfigAccess;
use switchboard::interrupt::Gsi;
use switchboard::platform::EcamRegion;

/// The facts that the machine takes from firmware tables.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct FirmwareTables {
    /// The regions of configuration space.
    pub ecam: Vec<EcamRegion>,
    /// The I/O APICs: the physical address of the registers, and the first GSI.
    pub io_apics: Vec<(u64, u32)>,
    /// The local APIC ids of the enabled CPUs.
    pub cpus: Vec<u32>,
    /// For each value of Interrupt Line, the GSI and whether that line is active low.
    pub lines: Vec<Option<(Gsi, bool)>>,
    /// The I/O port of the power management timer.
    pub pm_timer: Option<u16>,
}

/// Finds and parses the tables, from the loader's copy of the root pointer or from the BIOS area.
#[must_use]
pub fn find(copy: Option<&[u8]>, memory: &dyn PhysicalMemory) -> FirmwareTables {
    let tables = acpi::read(copy.map(RootPointer::copy), memory);
    FirmwareTables { ecam: tables.ecam, pm_timer: tables.timers.pm_timer, ..of_madt(&tables.madt) }
}

/// Parses an MCFG.
#[must_use]
pub fn mcfg(table: &[u8]) -> Vec<EcamRegion> {
    acpi::allocations(table)
}

/// Returns the regions of an MCFG that are used: those outside `ram`, and none when the two access methods do not find
/// the same host bridge.
#[must_use]
pub fn usable_regions(
    regions: Vec<EcamRegion>,
    ram: &[Range<u64>],
    ecam: &dyn ConfigAccess,
    ports: &dyn ConfigAccess,
) -> Vec<EcamRegion> {
    let usable = config_space::outside_ram(regions, ram);
    if config_space::agree(ecam, ports) { usable } else { Vec::new() }
}

/// Searches a DSDT for the region of configuration space.
#[must_use]
pub fn dsdt(table: &[u8]) -> Option<EcamRegion> {
    dsdt::ecam(table)
}

/// The route of a PCI device's pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PinRoute {
    /// The bus.
    pub bus: u8,
    /// The device.
    pub device: u8,
    /// The pin, 0 for INTA.
    pub pin: u8,
    /// The line.
    pub gsi: Gsi,
}

/// Finds and parses the MP table, with its routes of PCI.
#[must_use]
pub fn mp_table(memory: &dyn PhysicalMemory) -> Option<(FirmwareTables, Vec<PinRoute>)> {
    let table = mp_table::read(memory)?;
    let routes = table.pci.iter();
    let routes = routes.map(|line| PinRoute { bus: line.bus, device: line.device, pin: line.pin, gsi: line.gsi });
    Some((of_madt(&table.madt), routes.collect()))
}

/// Parses a MADT.
#[must_use]
pub fn madt(table: &[u8]) -> FirmwareTables {
    of_madt(&Madt::parse(table))
}

fn of_madt(madt: &Madt) -> FirmwareTables {
    let line = |number| {
        let gsi = madt.gsi_of(number)?;
        Some((gsi, madt.polarity_of(gsi) == Polarity::Low))
    };
    FirmwareTables {
        io_apics: madt.io_apics.iter().map(|entry| (entry.address, entry.first_gsi)).collect(),
        cpus: madt.cpus.clone(),
        lines: (0..=u8::MAX).map(line).collect(),
        ..FirmwareTables::default()
    }
}
