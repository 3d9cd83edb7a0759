//! The access method of configuration space: ECAM where the MCFG is valid, ports otherwise.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;

use super::memory::MachineMemory;
use super::ports::Ports;
use switchboard::config::{Address, ConfigAccess, Width};
use switchboard::platform::{Ecam, EcamRegion};

/// Returns the MCFG's `regions` that do not overlap `ram`.
pub(super) fn outside_ram(regions: Vec<EcamRegion>, ram: &[Range<u64>]) -> Vec<EcamRegion> {
    let (valid, overlapping): (Vec<_>, Vec<_>) = regions.into_iter().partition(|region| is_apart(region, ram));
    overlapping.iter().for_each(|region| log::warn!("MCFG: left out {:#x}, which is in memory", region.base));
    valid
}

/// Returns the access by the MCFG's `regions` when they work, and by ports otherwise.
pub(super) fn access(regions: &[EcamRegion]) -> &'static dyn ConfigAccess {
    let ports = Ports::new();
    if !regions.is_empty() {
        match Ecam::new(regions, &MachineMemory) {
            Ok(ecam) if agree(&ecam, &ports) => return Box::leak(Box::new(ecam)),
            Ok(_) => log::warn!("no ECAM: the host bridge is not at the address in the MCFG"),
            Err(error) => log::warn!("no ECAM: {error}"),
        }
    }
    Box::leak(Box::new(ports))
}

/// Returns whether a region does not overlap memory, which a write to configuration space would corrupt.
fn is_apart(region: &EcamRegion, ram: &[Range<u64>]) -> bool {
    let decoded = region.decoded();
    ram.iter().all(|range| decoded.end <= range.start || range.end <= decoded.start)
}

/// Returns whether both access methods find the same host bridge. Ports that do not exist read as ones, and are not
/// compared. A wrong ECAM address reads as ones too.
pub(super) fn agree(ecam: &dyn ConfigAccess, ports: &dyn ConfigAccess) -> bool {
    let bridge = Address::new(0, 0, 0, 0);
    let by_ports = ports.read(bridge, 0, Width::Dword);
    by_ports == u32::MAX || ecam.read(bridge, 0, Width::Dword) == by_ports
}

#[cfg(test)]
mod tests {
    use switchboard_testing::UniformConfig;

    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn regions_that_overlap_memory_are_detected() {
        let ram = [4 * MIB..128 * MIB, 4096 * MIB..5120 * MIB];
        let region = |base, first_bus, last_bus| EcamRegion { base, segment: 0, first_bus, last_bus };
        assert!(is_apart(&region(0xb000_0000, 0, 255), &ram));
        assert!(is_apart(&region(128 * MIB, 0, 7), &ram));
        assert!(!is_apart(&region(127 * MIB, 0, 7), &ram));
        assert!(!is_apart(&region(4000 * MIB, 0, 255), &ram));
        assert!(!is_apart(&region(0, 16, 16), &ram));
        assert!(!is_apart(&region(0, 0, 255), &ram));
    }

    #[test]
    fn an_mcfg_with_a_wrong_address_is_rejected() {
        assert!(agree(&UniformConfig(0x29c0_8086), &UniformConfig(0x29c0_8086)));
        assert!(agree(&UniformConfig(0x29c0_8086), &UniformConfig(u32::MAX)));
        assert!(!agree(&UniformConfig(u32::MAX), &UniformConfig(0x1237_8086)));
    }
}
