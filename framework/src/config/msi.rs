//! The MSI capability (PCI 3.0, 6.8.1).

use super::Space;

/// The MSI capability, read once when the function was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MsiCapability {
    /// Offset in configuration space.
    pub offset: u16,
    /// Messages that the function can send, a power of two. More than 32 is a reserved value.
    pub count: u8,
    /// Messages that firmware enabled, a power of two.
    pub granted: u8,
    /// Whether firmware left MSI enabled.
    pub is_enabled: bool,
    /// Whether the message address has 64 bits.
    pub is_64bit: bool,
    /// Whether each message has a mask bit.
    pub is_maskable: bool,
}

impl MsiCapability {
    pub(crate) const CONTROL: u16 = 2;
    pub(crate) const ENABLE: u16 = 1;
    pub(crate) const GRANTED: u16 = 7 << 4;

    /// Decodes the capability at `offset` without checking it.
    pub(crate) fn read(space: Space, offset: u16) -> Self {
        let control = space.read_u16(offset + Self::CONTROL);
        Self {
            offset,
            count: 1 << (control >> 1 & 7),
            granted: 1 << (control >> 4 & 7),
            is_enabled: control & Self::ENABLE != 0,
            is_64bit: control & 1 << 7 != 0,
            is_maskable: control & 1 << 8 != 0,
        }
    }

    /// Returns the offset of the data register, which follows a 32-bit or a 64-bit address.
    #[must_use]
    pub fn data(self) -> u16 {
        self.offset + if self.is_64bit { 12 } else { 8 }
    }

    /// Returns the offset of the mask register, if there is one.
    #[must_use]
    pub fn mask(self) -> Option<u16> {
        self.is_maskable.then_some(self.offset + if self.is_64bit { 16 } else { 12 })
    }

    /// Returns the length of the capability in bytes.
    #[must_use]
    pub fn length(self) -> u16 {
        let registers = if self.is_64bit { 14 } else { 10 };
        if self.is_maskable { registers + 10 } else { registers }
    }
}
