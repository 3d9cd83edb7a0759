//! Firmware tables: the MCFG, the MADT and the DSDT alone, and all of them from the root pointer.

use switchboard::platform::EcamRegion;
use switchboard_aml::{Function, Hardware, PciRouting, pci_routing};
use switchboard_x86_64::firmware_tables::{self, FirmwareTables, PhysicalMemory};

/// The physical address of the bytes: the area in which a BIOS keeps the root pointer.
const BASE: u64 = 0xe0000;

/// Runs the target.
pub(crate) fn run(data: &[u8]) {
    let Some((kind, table)) = data.split_first() else { return };
    match kind % 4 {
        0 => check_ecam(&firmware_tables::mcfg(table)),
        1 => check_lines(&firmware_tables::madt(table)),
        2 => {
            check_ecam(firmware_tables::dsdt(table).as_slice());
            check_routes(&pci_routing(&[table], &Zeros));
        }
        _ => {
            let found = firmware_tables::find(None, &Firmware { bytes: table });
            check_ecam(&found.ecam);
            check_lines(&found);
            check_lines(&firmware_tables::find(Some(table), &Firmware { bytes: table }));
        }
    }
}

/// Asserts that the regions of configuration space are valid.
fn check_ecam(regions: &[EcamRegion]) {
    for region in regions {
        assert!(region.base.is_multiple_of(1 << 20) && region.base != 0, "{region:x?}");
        assert!(region.first_bus <= region.last_bus, "{region:x?}");
    }
}

/// Asserts that routes are of devices and pins that there are.
fn check_routes(routing: &PciRouting) {
    assert!(routing.routes.iter().all(|route| route.device < 32 && route.pin < 4), "{routing:?}");
}

/// Fields that are zero.
#[derive(Debug)]
struct Zeros;

impl Hardware for Zeros {
    fn read_memory(&self, _: u64, _: u8) -> Option<u64> {
        Some(0)
    }

    fn read_config(&self, _: Function, _: u16, _: u8) -> Option<u64> {
        Some(0)
    }
}

/// Asserts that lines have a route only where an I/O APIC exists.
fn check_lines(tables: &FirmwareTables) {
    assert!(tables.lines.is_empty() || tables.lines.len() == 256);
    let has_none = [0, 255].into_iter().all(|line| tables.lines.get(line).is_none_or(Option::is_none));
    assert!(has_none, "a number without a connection has a line");
    assert!(!tables.io_apics.is_empty() || tables.lines.iter().all(Option::is_none), "a line to no I/O APIC");
}

/// Physical memory with these bytes only.
struct Firmware<'a> {
    bytes: &'a [u8],
}

impl PhysicalMemory for Firmware<'_> {
    fn copy(&self, address: u64, length: u64) -> Option<Vec<u8>> {
        let start = usize::try_from(address.checked_sub(BASE)?).ok()?;
        let end = start.checked_add(usize::try_from(length).ok()?)?;
        self.bytes.get(start..end).map(<[u8]>::to_vec)
    }
}
