//! Apertures: the address ranges that the host bridge forwards to PCI, from the memory map and the host bridge's id.
//!
//! Firmware describes them in AML (`_CRS`), which is not interpreted here. A known host bridge is taken to decode what
//! its data sheet states; any other is taken to decode every range without memory, tables or APICs.

use alloc::vec::Vec;
use core::ops::Range;

use super::madt::Madt;
use super::memory_map::{AddressMap, CEILING, without};
use switchboard::assign::Apertures;
use switchboard::config::{Address, ConfigAccess, Width};
use switchboard::platform::EcamRegion;

const GIB: u64 = 1 << 30;
const LOW_END: u64 = 1 << 32;
/// The lowest address below 4 GiB that is used: not all chipsets decode the range from the end of memory to here.
const LOW_START: u64 = 2 * GIB;
/// The start of the range up to 4 GiB with the I/O APICs, the timers, the local APICs and the firmware.
const APICS: u64 = 0xfec0_0000;
/// The range of interrupt messages, which are memory writes: no device may be here (SDM vol. 3, 11.11.1).
const MESSAGES: Range<u64> = 0xfee0_0000..0xff00_0000;

/// A known host bridge, by its Vendor ID and Device ID.
struct HostBridge {
    id: (u16, u16),
    /// Ports without a chipset register or an ISA device.
    io: &'static [Range<u64>],
    /// The memory windows, or `None` for every free range.
    memory: Option<MemoryWindows>,
}

/// Returns the windows below and above 4 GiB, given the width of physical addresses in bits.
type MemoryWindows = fn(u8) -> [Range<u64>; 2];

/// Ports that QEMU's PC machines leave free: not ACPI's (0x600 and 0xafe0 on), not VMware's (0x5658), not the
/// PIIX4's power management (0xb000).
const QEMU_PC_PORTS: &[Range<u64>] = &[0x1000..0x5000, 0x6000..0xa000, 0xc000..0x1_0000];

const KNOWN: &[HostBridge] = &[
    // Q35 and i440FX decode every address that no other agent claims (subtractive decoding).
    HostBridge { id: (0x8086, 0x29c0), io: QEMU_PC_PORTS, memory: None },
    HostBridge { id: (0x8086, 0x1237), io: QEMU_PC_PORTS, memory: None },
    // QEMU's generic host bridge, on a PC only as part of microvm: no ports, and two fixed windows, the upper one in
    // the last quarter of what the CPU addresses.
    HostBridge { id: (0x1b36, 0x0008), io: &[], memory: Some(microvm) },
];

/// The ports of an unknown machine: those that firmware most often leaves to devices.
const OTHER_PORTS: &[Range<u64>] = &[Range { start: 0xc000, end: 0x1_0000 }];

fn microvm(address_bits: u8) -> [Range<u64>; 2] {
    let end = 1_u64.checked_shl(address_bits.into()).unwrap_or(u64::MAX);
    [0xc000_0000..0xe000_0000, end / 4 * 3..end]
}

/// Returns the Vendor ID and the Device ID of the host bridge.
pub(super) fn host_bridge(config: &dyn ConfigAccess) -> (u16, u16) {
    let read = |offset| (config.read(Address::new(0, 0, 0, 0), offset, Width::Word) & 0xffff) as u16;
    (read(0), read(2))
}

/// Returns the ranges that BARs may be assigned from.
pub(super) fn apertures(
    address_map: &AddressMap,
    ecam: &[EcamRegion],
    madt: &Madt,
    address_bits: u8,
    host_bridge: (u16, u16),
) -> Apertures {
    let mut taken: Vec<_> = address_map.memory.iter().cloned().chain(ecam.iter().map(EcamRegion::decoded)).collect();
    taken.extend(madt.io_apics.iter().map(|entry| entry.address..entry.address.saturating_add(0x1000)));
    taken.push(MESSAGES);

    let known = KNOWN.iter().find(|known| known.id == host_bridge);
    let top = |below: u64| address_map.memory.iter().filter(|range| range.start < below).map(|range| range.end).max();
    let low_top = top(LOW_END).map_or(0, |end| end.min(LOW_END));
    let high_top = top(u64::MAX).unwrap_or(0).max(LOW_END).checked_next_multiple_of(GIB).unwrap_or(u64::MAX);
    let reach = 1_u64.checked_shl(address_bits.into()).unwrap_or(u64::MAX).min(CEILING);
    let holes = [low_top.max(LOW_START)..APICS, high_top..reach];
    let decoded = known.and_then(|known| known.memory).map_or(holes.clone(), |decodes| decodes(address_bits));
    let memory =
        holes.iter().zip(&decoded).map(|(hole, decoded)| hole.start.max(decoded.start)..hole.end.min(decoded.end));
    let memory = address_map.reserved.iter().fold(memory.collect(), |memory: Vec<_>, reserved| {
        memory.iter().flat_map(|range| without(range, reserved)).collect()
    });
    Apertures { io: known.map_or(OTHER_PORTS, |known| known.io).to_vec(), memory, taken }
}

#[cfg(test)]
mod tests {
    use super::super::memory_map::{Region, RegionKind};
    use super::*;

    const MIB: u64 = 1 << 20;
    const Q35: (u16, u16) = (0x8086, 0x29c0);

    fn address_map(map: &[(Range<u64>, RegionKind)]) -> AddressMap {
        AddressMap::of(map.iter().map(|(range, kind)| Region { range: range.clone(), kind: *kind }))
    }

    fn ecam(base: u64) -> EcamRegion {
        EcamRegion { base, segment: 0, first_bus: 0, last_bus: 255 }
    }

    #[test]
    fn q35_with_six_gibibytes() {
        let map = [
            (0..640 * 1024, RegionKind::Ram),
            (MIB..2 * GIB, RegionKind::Ram),
            (0xb000_0000..0xc000_0000, RegionKind::Reserved),
            (4 * GIB..8 * GIB, RegionKind::Ram),
            (0xfd_0000_0000..0x100_0000_0000, RegionKind::Reserved),
        ];
        let apertures = apertures(&address_map(&map), &[ecam(0xb000_0000)], &Madt::default(), 40, Q35);
        assert_eq!(apertures.memory, [2 * GIB..0xb000_0000, 0xc000_0000..0xfec0_0000, 8 * GIB..0xfd_0000_0000]);
        assert!(apertures.taken.contains(&(0xb000_0000..0xc000_0000)) && apertures.taken.contains(&MESSAGES));
        assert_eq!(apertures.io, QEMU_PC_PORTS);
    }

    #[test]
    fn microvm_has_two_windows_and_no_ports() {
        let map = [(0..128 * MIB, RegionKind::Ram)];
        let apertures = apertures(&address_map(&map), &[ecam(0xe000_0000)], &Madt::default(), 40, (0x1b36, 0x0008));
        assert_eq!(apertures.memory, [0xc000_0000..0xe000_0000, 0xc0_0000_0000..0x100_0000_0000]);
        assert_eq!(apertures.io, []);
    }

    #[test]
    fn an_unknown_machine_and_a_cpu_without_high_addresses() {
        let map = [(0..3 * GIB, RegionKind::Ram), (3 * GIB..3 * GIB + MIB, RegionKind::Firmware)];
        let apertures = apertures(&address_map(&map), &[], &Madt::default(), 32, (0x1022, 0x1450));
        assert_eq!(apertures.memory.first(), Some(&(3 * GIB + MIB..0xfec0_0000)));
        assert!(apertures.memory[1..].iter().all(|range| range.is_empty()));
        assert_eq!(apertures.io, OTHER_PORTS);
    }
}
