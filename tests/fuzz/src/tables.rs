//! Firmware's tables: the MCFG, the MADT, the DSDT by themselves, and all of them from the root pointer on.

use core::ptr::NonNull;

use switchboard::arch::tables::{self, FirmwareTables};
use switchboard::config::EcamRegion;
use switchboard::dma::DmaBlock;
use switchboard::machine::{Memory, MemoryError};

/// Where the bytes are in the machine: in the area that a BIOS keeps its root pointer in.
const BASE: u64 = 0xe0000;

pub(crate) fn run(data: &[u8]) {
    let Some((kind, table)) = data.split_first() else { return };
    match kind % 4 {
        0 => check_ecam(&tables::mcfg(table)),
        1 => check_lines(&tables::madt(table)),
        2 => check_ecam(tables::dsdt(table).as_slice()),
        _ => {
            let found = tables::find(None, &Firmware { bytes: table });
            check_ecam(&found.ecam);
            check_lines(&found);
            check_lines(&tables::find(Some(table), &Firmware { bytes: table }));
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

impl Memory for Firmware<'_> {
    fn map(&self, physical: u64, length: u64) -> Result<NonNull<u8>, MemoryError> {
        let unreachable = MemoryError::Unreachable { physical, length };
        let start = physical.checked_sub(BASE).and_then(|start| usize::try_from(start).ok());
        let range = start.and_then(|start| Some(start..start.checked_add(usize::try_from(length).ok()?)?));
        let bytes = range.and_then(|range| self.bytes.get(range)).ok_or(unreachable)?;
        Ok(NonNull::from(bytes).cast())
    }

    fn allocate(&self, pages: usize) -> Result<DmaBlock, MemoryError> {
        Err(MemoryError::OutOfMemory { wanted: pages.saturating_mul(DmaBlock::PAGE) })
    }

    fn release(&self, _block: DmaBlock) {
        unreachable!("nothing was allocated");
    }
}
