//! Firmware's tables as the machine reads them, for tests and fuzzers on the host.

use alloc::vec::Vec;
use core::ops::Range;

use super::acpi::{self, RootPointer};
use super::madt::{Madt, Polarity};
pub use super::physical::PhysicalMemory;
use super::{config_space, dsdt};
use switchboard::config::ConfigAccess;
use switchboard::interrupt::Gsi;
use switchboard::platform::EcamRegion;

/// What the tables say, of what is made use of here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FirmwareTables {
    /// Where configuration space is said to be.
    pub ecam: Vec<EcamRegion>,
    /// I/O APICs: where their registers are, and the first GSI of each.
    pub io_apics: Vec<(u64, u32)>,
    /// CPUs that may be started.
    pub cpus: usize,
    /// For each number that Interrupt Line can hold, the GSI that it means, and whether that line is active low.
    pub lines: Vec<Option<(Gsi, bool)>>,
    /// I/O port of the power management timer.
    pub pm_timer: Option<u16>,
}

/// Finds the tables: by the loader's copy of the root pointer, if it made one, or where a BIOS keeps it.
#[must_use]
pub fn find(copy: Option<&[u8]>, memory: &dyn PhysicalMemory) -> FirmwareTables {
    let tables = acpi::read(copy.map(RootPointer::copy), memory);
    FirmwareTables { ecam: tables.ecam, pm_timer: tables.pm_timer, ..of_madt(&tables.madt) }
}

/// Reads an MCFG.
#[must_use]
pub fn mcfg(table: &[u8]) -> Vec<EcamRegion> {
    acpi::allocations(table)
}

/// Of an MCFG's regions those that lie outside of `ram`, if the host bridge is where they say: it is when both ways
/// to configuration space find the same there.
#[must_use]
pub fn credible(
    regions: Vec<EcamRegion>,
    ram: &[Range<u64>],
    ecam: &dyn ConfigAccess,
    ports: &dyn ConfigAccess,
) -> Vec<EcamRegion> {
    let credible = config_space::credible(regions, ram);
    if config_space::agree(ecam, ports) { credible } else { Vec::new() }
}

/// Looks through a DSDT for the place of configuration space.
#[must_use]
pub fn dsdt(table: &[u8]) -> Option<EcamRegion> {
    dsdt::ecam(table)
}

/// Reads a MADT.
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
        cpus: madt.cpus,
        lines: (0..=u8::MAX).map(line).collect(),
        ..FirmwareTables::default()
    }
}
