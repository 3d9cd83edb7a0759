//! Base address registers as they read: what they decode and where, but not how much (PCI 3.0, 6.2.5.1).
//!
//! How much takes a write, and is for [`bar`](crate::bar) to find out.

use alloc::vec::Vec;

use super::{HeaderKind, Space};

const FIRST: u16 = 0x10;
const ROM: u16 = 0x30;
const ROM_BRIDGE: u16 = 0x38;
const ROM_ENABLE: u32 = 1;
/// ROMs come in steps of 2 KiB.
const ROM_ADDRESS: u32 = !0x7ff;

/// A BAR as its registers read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BarRegister {
    /// 0 to 5: its first register.
    pub index: u8,
    /// What it decodes.
    pub encoding: BarEncoding,
    /// Where it begins.
    pub address: u64,
}

/// What the low bits of a BAR say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BarEncoding {
    /// Ports.
    Io,
    /// Memory, of that type.
    Memory {
        /// The type field of the register.
        memory_type: MemoryType,
        /// Reads have no side effects.
        is_prefetchable: bool,
    },
}

/// Where the memory of a BAR may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryType {
    /// Below 4 GiB.
    Bits32,
    /// Below 1 MiB: of the first PCI specifications, and reserved since.
    Below1Mib,
    /// Anywhere; the next register has the upper half of the address.
    Bits64,
    /// Anywhere, but in the last register: there is no upper half.
    Bits64NoUpperHalf,
    /// A reserved type.
    Reserved,
}

impl BarRegister {
    /// How many registers a header of that kind has.
    pub(crate) const fn count(kind: HeaderKind) -> u8 {
        match kind {
            HeaderKind::Endpoint => 6,
            HeaderKind::Bridge(_) => 2,
            HeaderKind::CardBus(_) => 1,
            HeaderKind::Unknown(_) => 0,
        }
    }

    /// Where register `index` is.
    pub(crate) const fn offset(index: u8) -> u16 {
        FIRST + 4 * index as u16
    }

    /// Reads the BAR that begins with register `index` of `count`.
    pub(crate) fn read(space: Space, index: u8, count: u8) -> Self {
        let low = space.read_u32(Self::offset(index));
        if low & 1 != 0 {
            return Self { index, encoding: BarEncoding::Io, address: (low & !3).into() };
        }
        let memory_type = match low >> 1 & 3 {
            0 => MemoryType::Bits32,
            1 => MemoryType::Below1Mib,
            2 if index + 1 < count => MemoryType::Bits64,
            2 => MemoryType::Bits64NoUpperHalf,
            _ => MemoryType::Reserved,
        };
        let address = match memory_type {
            MemoryType::Bits64 => u64::from(space.read_u32(Self::offset(index + 1))) << 32 | u64::from(low & !0xf),
            _ => u64::from(low & !0xf),
        };
        Self { index, encoding: BarEncoding::Memory { memory_type, is_prefetchable: low & 8 != 0 }, address }
    }

    /// How many registers it takes.
    pub(crate) const fn registers(self) -> u8 {
        match self.encoding {
            BarEncoding::Memory { memory_type: MemoryType::Bits64, .. } => 2,
            _ => 1,
        }
    }

    /// Reads those whose register holds anything. One that reads zero may still be a BAR without an address, and only
    /// sizing can tell.
    pub(crate) fn read_set(space: Space, kind: HeaderKind) -> Vec<Self> {
        let count = Self::count(kind);
        let (mut set, mut index) = (Vec::new(), 0);
        while index < count {
            let is_set = !matches!(space.read_u32(Self::offset(index)), 0 | u32::MAX);
            let bar = is_set.then(|| Self::read(space, index, count));
            set.extend(bar);
            index += bar.map_or(1, Self::registers);
        }
        set
    }
}

/// The expansion ROM's register as it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RomRegister {
    /// Where it begins.
    pub address: u32,
    /// Whether it decodes, if the function decodes memory at all.
    pub is_enabled: bool,
}

impl RomRegister {
    /// Where the register is in a header of that kind.
    pub(crate) const fn offset(kind: HeaderKind) -> Option<u16> {
        match kind {
            HeaderKind::Endpoint => Some(ROM),
            HeaderKind::Bridge(_) => Some(ROM_BRIDGE),
            HeaderKind::CardBus(_) | HeaderKind::Unknown(_) => None,
        }
    }

    /// Reads it; `None` when it holds nothing, or ones, which no ROM's register can.
    pub(crate) fn read(space: Space, kind: HeaderKind) -> Option<Self> {
        let value = space.read_u32(Self::offset(kind)?);
        let is_set = !matches!(value, 0 | u32::MAX);
        is_set.then_some(Self { address: value & ROM_ADDRESS, is_enabled: value & ROM_ENABLE != 0 })
    }
}
