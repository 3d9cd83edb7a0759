//! Firmware's tables: the MCFG, the MADT, the DSDT by themselves, and all of them from the root pointer on.

use switchboard::platform::EcamRegion;
use switchboard_x86_64::firmware_tables::{self, FirmwareTables, PhysicalMemory};

/// Where the bytes are in the machine: in the area that a BIOS keeps its root pointer in.
const BASE: u64 = 0xe0000;

pub(crate) fn run(data: &[u8]) {
    let Some((kind, table)) = data.split_first() else { return };
    match kind % 4 {
        0 => check_ecam(&firmware_tables::mcfg(table)),
        1 => check_lines(&firmware_tables::madt(table)),
        2 => check_ecam(firmware_tables::dsdt(table).as_slice()),
        _ => {
            let found = firmware_tables::find(None, &Firmware { bytes: table });
            check_ecam(&found.ecam);
            check_lines(&found);
            check_lines(&firmware_tables::find(Some(table), &Firmware { bytes: table }));
        }
    }
}

/// What is mapped as configuration space makes sense as such.
fn check_ecam(regions: &[EcamRegion]) {
    for region in regions {
        assert!(region.base.is_multiple_of(1 << 20) && region.base != 0, "{region:x?}");
        assert!(region.first_bus <= region.last_bus, "{region:x?}");
    }
}

fn check_lines(tables: &FirmwareTables) {
    assert!(tables.lines.is_empty() || tables.lines.len() == 256);
    let means_none = [0, 255].into_iter().all(|line| tables.lines.get(line).is_none_or(Option::is_none));
    assert!(means_none, "a number that means none has a line");
    assert!(!tables.io_apics.is_empty() || tables.lines.iter().all(Option::is_none), "a line to no I/O APIC");
}

/// The physical memory of a machine with nothing but these bytes.
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
