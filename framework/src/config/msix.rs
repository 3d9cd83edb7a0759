//! The MSI-X capability (PCI 3.0, 6.8.2).

use super::Space;

/// The MSI-X capability, read once when the function was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MsixCapability {
    /// Offset in configuration space.
    pub offset: u16,
    /// Entries in the table, 1 to 2,048.
    pub count: u16,
    /// Whether firmware left MSI-X enabled.
    pub is_enabled: bool,
    /// Whether firmware left Function Mask set.
    pub is_masked: bool,
    /// Place of the table.
    pub table: BarOffset,
    /// Place of the pending bit array.
    pub pending: BarOffset,
}

/// A place in a BAR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BarOffset {
    /// The BAR, 0 to 5; 6 and 7 are reserved.
    pub bar: u8,
    /// Bytes from the start of the BAR.
    pub offset: u32,
}

impl MsixCapability {
    pub(crate) const CONTROL: u16 = 2;
    pub(crate) const ENABLE: u16 = 1 << 15;
    pub(crate) const FUNCTION_MASK: u16 = 1 << 14;
    /// Table Size: the number of entries, less one. Eleven bits, since a table may have 2,048 entries.
    pub(crate) const SIZE: u16 = 0x7ff;
    /// Bytes of a table entry: address, upper address, data, vector control.
    pub(crate) const ENTRY: u64 = 16;
    /// Bytes of the capability.
    pub(crate) const LENGTH: u16 = 12;

    /// Decodes the capability at `offset` without checking it. Registers past the end are not read, and count as ones.
    pub(crate) fn read(space: Space, offset: u16) -> Self {
        let control = space.read_u16(offset + Self::CONTROL);
        let place = |register: u16| {
            let at = offset + register;
            let value = if space.reaches(at, 4) { space.read_u32(at) } else { u32::MAX };
            BarOffset { bar: (value & 7) as u8, offset: value & !7 }
        };
        Self {
            offset,
            count: (control & Self::SIZE) + 1,
            is_enabled: control & Self::ENABLE != 0,
            is_masked: control & Self::FUNCTION_MASK != 0,
            table: place(4),
            pending: place(8),
        }
    }

    /// Returns the length of the table in bytes.
    #[must_use]
    pub fn table_length(self) -> u64 {
        u64::from(self.count) * Self::ENTRY
    }

    /// Returns the length of the pending bit array in bytes: one bit for each entry, in qwords.
    #[must_use]
    pub fn pending_length(self) -> u64 {
        u64::from(self.count).div_ceil(64) * 8
    }
}
