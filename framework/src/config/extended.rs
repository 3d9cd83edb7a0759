//! The extended capability list of PCI Express, in the 3,840 bytes behind the first 256 (PCIe 4.0, 7.6).

use alloc::vec::Vec;

use super::{Capability, CapabilityList, ChainEnd, Space};

/// The dwords of extended space, each of which the walk visits once.
const DWORDS: usize = (4096 - ExtendedList::FIRST as usize) / 4;

/// One entry of a function's extended capability list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExtendedCapability {
    /// Extended capability ID (PCI Code and ID Assignment, 3); 0 is a null entry.
    pub id: u16,
    /// Version of its layout.
    pub version: u8,
    /// Offset in configuration space.
    pub offset: u16,
}

impl ExtendedCapability {
    /// Returns the name of a widespread capability, in lower case.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.id {
            0x01 => "advanced error reporting",
            0x02 | 0x09 => "virtual channel",
            0x03 => "device serial number",
            0x04 => "power budgeting",
            0x0b => "vendor-specific",
            0x0d => "access control services",
            0x0e => "alternative routing-id",
            0x0f => "address translation services",
            0x10 => "single root i/o virtualization",
            0x13 => "page request",
            0x15 => "resizable bar",
            0x18 => "latency tolerance reporting",
            0x19 => "secondary pci express",
            0x1b => "process address space id",
            0x1d => "downstream port containment",
            0x1e => "l1 pm substates",
            0x1f => "precision time measurement",
            _ => return None,
        })
    }

    /// Returns the minimum length in bytes of a capability with this ID; the length of a header for IDs not listed here.
    pub(crate) const fn min_bytes(self) -> u16 {
        match self.id {
            // Errors, virtual channels, serial number, vendor, access control, alternative routing, virtual functions.
            0x01 => 44,
            0x02 | 0x09 => 28,
            0x03 => 12,
            0x0b | 0x0d | 0x0e => 8,
            0x10 => 64,
            _ => 4,
        }
    }
}

/// A function's extended capability list, up to its end or to where it is malformed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ExtendedList {
    /// The entries, in the order of the list.
    pub entries: Vec<ExtendedCapability>,
    /// How the list ends.
    pub end: ChainEnd,
}

impl ExtendedList {
    /// The offset of the first entry.
    pub(crate) const FIRST: u16 = 0x100;

    /// Walks the list of a PCI Express or PCI-X function; others have no extended space. There is no list when the first entry
    /// reads zero or all ones, or is out of reach.
    pub(crate) fn read(space: Space, capabilities: &CapabilityList) -> Self {
        let mut list = Self::default();
        let is_extended = |entry: &Capability| matches!(entry.id, Capability::EXPRESS | Capability::PCI_X);
        if !space.reaches(Self::FIRST, 4) || !capabilities.entries.iter().any(is_extended) {
            return list;
        }
        let mut seen = [0_u64; DWORDS.div_ceil(64)];
        let mut offset = Self::FIRST;
        loop {
            if offset < Self::FIRST {
                list.end = ChainEnd::Outside(offset);
                break;
            }
            if !space.reaches(offset, 4) {
                list.end = ChainEnd::Unreadable(offset);
                break;
            }
            let header = space.read_u32(offset);
            if header == 0 || header == u32::MAX {
                // At the start this is an empty list, after a pointer a broken one.
                if offset != Self::FIRST {
                    list.end = ChainEnd::Broken(offset);
                }
                break;
            }
            let dword = usize::from((offset - Self::FIRST) / 4);
            let bit = 1 << (dword % 64);
            if seen[dword / 64] & bit != 0 {
                list.end = ChainEnd::Looped(offset);
                break;
            }
            seen[dword / 64] |= bit;
            let [id_low, id_high, version, _] = header.to_le_bytes();
            let id = u16::from_le_bytes([id_low, id_high]);
            list.entries.push(ExtendedCapability { id, version: version & 0xf, offset });
            offset = (header >> 20) as u16 & !3;
            if offset == 0 {
                break;
            }
        }
        list
    }

    /// Returns the offset of the first capability with that ID.
    #[must_use]
    pub fn find(&self, id: u16) -> Option<u16> {
        self.entries.iter().find(|entry| entry.id == id).map(|entry| entry.offset)
    }
}
