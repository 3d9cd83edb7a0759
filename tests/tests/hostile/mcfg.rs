//! The cases about ACPI's MCFG table, parsed as on a real machine: from the root pointer on.

use core::ops::Range;
use switchboard::platform::EcamRegion;
use switchboard_testing::UniformConfig;
use switchboard_tests::proxy::{Expect, HostileCase};
use switchboard_x86_64::firmware_tables::{self, PhysicalMemory};

use crate::catalogue::cases;

/// Addresses of a BIOS's root pointer, and of the tables that it leads to.
const BASE: u32 = 0xe0000;
const ROOT_TABLE: u32 = BASE + 0x40;
const TABLE: u32 = BASE + 0x100;
const RAM: Range<u64> = 0x10_0000..0x8000_0000;

/// Memory written by the firmware.
struct Firmware(Vec<u8>);

impl PhysicalMemory for Firmware {
    fn copy(&self, address: u64, length: u64) -> Option<Vec<u8>> {
        let start = usize::try_from(address.checked_sub(BASE.into())?).ok()?;
        let end = start.checked_add(usize::try_from(length).ok()?)?;
        self.0.get(start..end).map(<[u8]>::to_vec)
    }
}

/// Sets the byte at `at` such that the bytes sum up to zero.
fn sum_up(bytes: &mut [u8], at: usize) {
    bytes[at] = 0;
    bytes[at] = bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)).wrapping_neg();
}

impl Firmware {
    fn new(mcfg: &[u8]) -> Self {
        let mut pointer = *b"RSD PTR \0TESTED\0\0\0\0\0";
        pointer[16..20].copy_from_slice(&ROOT_TABLE.to_le_bytes());
        sum_up(&mut pointer, 8);
        let mut root = [0; 40];
        root[..4].copy_from_slice(b"RSDT");
        root[4] = 40;
        root[36..].copy_from_slice(&TABLE.to_le_bytes());
        sum_up(&mut root, 9);
        let mut bytes = vec![0; 0x2_0000];
        for (at, part) in [(BASE, &pointer[..]), (ROOT_TABLE, &root), (TABLE, mcfg)] {
            let at = usize::try_from(at - BASE).expect("a place");
            bytes[at..at + part.len()].copy_from_slice(part);
        }
        Self(bytes)
    }
}

/// Returns the regions that are accepted.
fn accepted_regions(case: &HostileCase) -> Vec<EcamRegion> {
    let bridge = 0x29c0_8086;
    let found =
        case.mcfg.as_ref().map(|table| firmware_tables::find(None, &Firmware::new(table)).ecam).unwrap_or_default();
    // Where no region contains the first bus of segment 0, its reads return ones.
    let has_bridge = found.iter().any(|region| region.segment == 0 && region.first_bus == 0);
    let ecam = UniformConfig(if case.has_dead_ecam() || !has_bridge { u32::MAX } else { bridge });
    firmware_tables::usable_regions(found, &[RAM], &ecam, &UniformConfig(bridge))
}

#[test]
fn invalid_mcfg_entries_are_ignored() {
    let Some(cases) = cases() else { return };
    let mut seen = 0;
    for case in cases.iter().filter(|case| case.is_about_mcfg()) {
        seen += 1;
        let regions = case.mcfg.as_ref().map_or(0, |table| table.len().saturating_sub(44) / 16);
        let found = accepted_regions(case).len();
        // All regions, or fewer: the other buses are then accessed by ports, if at all.
        let is_right = match case.expect {
            Expect::Ok => found == regions,
            _ => found == 0 || found < regions,
        };
        assert!(is_right, "{}: {found} of {regions} regions are accepted; {}", case.name, case.why);
    }
    assert!(seen >= 15, "{seen}");
}
