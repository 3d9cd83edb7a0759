//! Base address registers as they read: address space, type and address (PCI 3.0, 6.2.5.1).
//!
//! The size of a BAR is found by writing to it, which [`bar`](crate::bar) does.

use alloc::vec::Vec;

use super::{HeaderKind, Space};

const FIRST: u16 = 0x10;
const ROM: u16 = 0x30;
const ROM_BRIDGE: u16 = 0x38;
const ROM_ENABLE: u32 = 1;
/// ROMs come in steps of 2 KiB.
const ROM_ADDRESS: u32 = !0x7ff;

/// The contents of a BAR, of which [`Facts`](super::Facts) holds those that are set.
///
/// ```
/// use switchboard::config::{Address, BarEncoding, Facts, MemoryType};
/// use switchboard_testing::{FakeFunction, FakeMachine};
///
/// let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8).at("00:03.0").bar(2, 0x4000)]);
/// let facts = Facts::decode(fake.config(), Address::new(0, 0, 3, 0));
/// let [bar] = facts.bars[..] else { panic!("one BAR is set") };
/// assert_eq!(bar.index, 2);
/// assert_eq!(bar.encoding, BarEncoding::Memory { memory_type: MemoryType::Bits32, is_prefetchable: false });
/// assert!(bar.address.is_multiple_of(0x4000));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BarRegister {
    /// The index of its first register, 0 to 5.
    pub index: u8,
    /// The address space and the type, from the low bits.
    pub encoding: BarEncoding,
    /// The start address.
    pub address: u64,
}

/// The meaning of a BAR's low bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BarEncoding {
    /// I/O ports.
    Io,
    /// Memory.
    Memory {
        /// The type field of the register.
        memory_type: MemoryType,
        /// Reads have no side effects.
        is_prefetchable: bool,
    },
}

/// The type of a memory BAR: the addresses that it can decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryType {
    /// 32 bits: below 4 GiB.
    Bits32,
    /// Below 1 MiB, a type of the first PCI specifications, reserved since.
    Below1Mib,
    /// 64 bits; the next register holds the upper half of the address.
    Bits64,
    /// 64 bits, but in the last register, so that there is no upper half.
    Bits64NoUpperHalf,
    /// A reserved type.
    Reserved,
}

impl BarRegister {
    /// Returns the number of registers in a header of that kind.
    pub(crate) const fn count(kind: HeaderKind) -> u8 {
        match kind {
            HeaderKind::Endpoint => 6,
            HeaderKind::Bridge(_) => 2,
            HeaderKind::CardBus(_) => 1,
            HeaderKind::Unknown(_) => 0,
        }
    }

    /// Returns the offset of register `index`.
    pub(crate) const fn offset(index: u8) -> u16 {
        FIRST + 4 * index as u16
    }

    /// Reads the BAR that begins with register `index` of `count`.
    pub(crate) fn read(space: Space, index: u8, count: u8) -> Self {
        Self::read_at(space, FIRST, index, count)
    }

    /// Reads the BAR that begins with register `index` of `count`, the first of which is at offset `first`.
    pub(crate) fn read_at(space: Space, first: u16, index: u8, count: u8) -> Self {
        let offset = first + 4 * u16::from(index);
        let low = space.read_u32(offset);
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
            MemoryType::Bits64 => u64::from(space.read_u32(offset + 4)) << 32 | u64::from(low & !0xf),
            _ => u64::from(low & !0xf),
        };
        Self { index, encoding: BarEncoding::Memory { memory_type, is_prefetchable: low & 8 != 0 }, address }
    }

    /// Returns the number of registers that the BAR takes.
    pub(crate) const fn registers(self) -> u8 {
        match self.encoding {
            BarEncoding::Memory { memory_type: MemoryType::Bits64, .. } => 2,
            _ => 1,
        }
    }

    /// Reads the BARs whose registers are not zero. A register that reads zero may still be a BAR without an address, which only
    /// sizing shows.
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

/// The contents of the expansion ROM's register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RomRegister {
    /// The start address.
    pub address: u32,
    /// Whether the ROM is decoded while the function decodes memory.
    pub is_enabled: bool,
}

impl RomRegister {
    /// Returns the offset of the register in a header of that kind.
    pub(crate) const fn offset(kind: HeaderKind) -> Option<u16> {
        match kind {
            HeaderKind::Endpoint => Some(ROM),
            HeaderKind::Bridge(_) => Some(ROM_BRIDGE),
            HeaderKind::CardBus(_) | HeaderKind::Unknown(_) => None,
        }
    }

    /// Reads the register. Returns `None` when it holds zero, or all ones, which no ROM's register can hold.
    pub(crate) fn read(space: Space, kind: HeaderKind) -> Option<Self> {
        let value = space.read_u32(Self::offset(kind)?);
        let is_set = !matches!(value, 0 | u32::MAX);
        is_set.then_some(Self { address: value & ROM_ADDRESS, is_enabled: value & ROM_ENABLE != 0 })
    }
}
