//! The capability list, walked with bounds, and the two capabilities that the framework programs itself.
//!
//! `pci_types` has a walk of its own; it trusts the next pointers, and a list that points back into itself
//! never ends there. This one ends on every input.

use alloc::vec::Vec;

use super::Space;

/// Capabilities are at least a dword each, in the 192 bytes behind the header: no honest list is longer.
const MOST: usize = 48;
/// The header ends here; nothing below can be a capability (PCI 3.0, 6.7).
const FIRST_OFFSET: u8 = 0x40;
/// Status bit 4: there is a list (PCI 3.0, 6.2.3).
const STATUS_LIST: u16 = 1 << 4;

const STATUS: u16 = 0x06;
const POINTER: u16 = 0x34;
const ID_MSI: u8 = 0x05;
const ID_MSIX: u8 = 0x11;

/// One entry of a function's capability list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capability {
    /// What it is (PCI Code and ID Assignment, 2).
    pub id: u8,
    /// Where it is in configuration space.
    pub offset: u16,
}

/// Reads the list. Ends at a null or low pointer, at an id of all ones (nothing answers), after [`MOST`]
/// entries, or where it meets itself.
pub(crate) fn capabilities(space: Space) -> Vec<Capability> {
    let mut list: Vec<Capability> = Vec::new();
    if space.read_u16(STATUS) & STATUS_LIST == 0 {
        return list;
    }
    let mut next = space.read_u8(POINTER) & !3;
    while next >= FIRST_OFFSET && list.len() < MOST {
        let offset = u16::from(next);
        let header = space.read_u16(offset).to_le_bytes();
        if header[0] == 0xff || list.iter().any(|seen| seen.offset == offset) {
            log::warn!("{}: the capability list ends badly at {offset:#x}", space.address());
            break;
        }
        list.push(Capability { id: header[0], offset });
        next = header[1] & !3;
    }
    list
}

/// The MSI capability (PCI 3.0, 6.8.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MsiCapability {
    pub(crate) offset: u16,
    /// Messages that the function can send, a power of two up to 32.
    pub(crate) count: u8,
    pub(crate) is_64bit: bool,
    pub(crate) is_maskable: bool,
}

impl MsiCapability {
    pub(crate) const CONTROL: u16 = 2;
    pub(crate) const ENABLE: u16 = 1;
    pub(crate) const GRANTED: u16 = 7 << 4;

    /// Decodes it, or says `None` where its fields are reserved values or run past the configuration space.
    pub(crate) fn read(space: Space, list: &[Capability]) -> Option<Self> {
        let offset = list.iter().find(|capability| capability.id == ID_MSI)?.offset;
        let control = space.read_u16(offset + Self::CONTROL);
        let capable = (control >> 1) & 7;
        let (is_64bit, is_maskable) = (control & 1 << 7 != 0, control & 1 << 8 != 0);
        let this = Self { offset, count: 1 << capable.min(5), is_64bit, is_maskable };
        let fits = usize::from(offset) + usize::from(this.length()) <= 256;
        if capable > 5 || !fits {
            log::warn!("{}: MSI refused: control {control:#06x} at {offset:#x}", space.address());
            return None;
        }
        Some(this)
    }

    /// Where the data register is: after a 32- or a 64-bit address.
    pub(crate) fn data(self) -> u16 {
        self.offset + if self.is_64bit { 12 } else { 8 }
    }

    /// Where the mask register is, when there is one.
    pub(crate) fn mask(self) -> Option<u16> {
        self.is_maskable.then_some(self.offset + if self.is_64bit { 16 } else { 12 })
    }

    fn length(self) -> u16 {
        let registers = if self.is_64bit { 14 } else { 10 };
        if self.is_maskable { registers + 10 } else { registers }
    }
}

/// The MSI-X capability (PCI 3.0, 6.8.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MsixCapability {
    pub(crate) offset: u16,
    /// Entries in the table, 1 to 2,048.
    pub(crate) count: u16,
    pub(crate) table: BarOffset,
    pub(crate) pending: BarOffset,
}

/// A place in one of the function's BARs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BarOffset {
    pub(crate) bar: u8,
    pub(crate) offset: u32,
}

impl MsixCapability {
    pub(crate) const CONTROL: u16 = 2;
    pub(crate) const ENABLE: u16 = 1 << 15;
    pub(crate) const FUNCTION_MASK: u16 = 1 << 14;
    /// Bytes of a table entry: address, upper address, data, vector control.
    pub(crate) const ENTRY: u64 = 16;

    pub(crate) fn read(space: Space, list: &[Capability]) -> Option<Self> {
        let offset = list.iter().find(|capability| capability.id == ID_MSIX)?.offset;
        if offset > 256 - 12 {
            log::warn!("{}: MSI-X refused: its registers run past configuration space", space.address());
            return None;
        }
        let control = space.read_u16(offset + Self::CONTROL);
        let place = |register: u16| {
            let value = space.read_u32(offset + register);
            BarOffset { bar: (value & 7) as u8, offset: value & !7 }
        };
        // Eleven bits hold the size less one: a table may have 2,048 entries, and ten bits lose half of them.
        Some(Self { offset, count: (control & 0x7ff) + 1, table: place(4), pending: place(8) })
    }

    /// Bytes of the table.
    pub(crate) fn table_length(self) -> u64 {
        u64::from(self.count) * Self::ENTRY
    }

    /// Bytes of the pending bit array: a bit an entry, in qwords.
    pub(crate) fn pending_length(self) -> u64 {
        u64::from(self.count).div_ceil(64) * 8
    }
}
