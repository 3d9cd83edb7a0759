//! The capability of a physical function that has virtual functions (PCIe 5.0, 9.3.3).

use super::Space;

/// The SR-IOV extended capability, read once when the function was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SriovCapability {
    /// Offset in configuration space.
    pub offset: u16,
    /// The most virtual functions that can be enabled.
    pub total: u16,
    /// The Device ID of the virtual functions, whose own registers read all ones.
    pub device: u16,
}

impl SriovCapability {
    /// The ID of the extended capability.
    pub(crate) const ID: u16 = 0x10;

    const CONTROL: u16 = 0x08;
    const TOTAL: u16 = 0x0e;
    const NUMBER: u16 = 0x10;
    const FIRST_OFFSET: u16 = 0x14;
    const STRIDE: u16 = 0x16;
    const DEVICE: u16 = 0x1a;
    const PAGE_SIZES: u16 = 0x1c;
    const PAGE_SIZE: u16 = 0x20;
    const BARS: u16 = 0x24;

    /// SR-IOV Control (9.3.3.3): the virtual functions exist, and decode memory. ARI Capable Hierarchy (bit 4) stays clear: the
    /// framework turns no ARI Forwarding on in the bridges above.
    const ENABLE: u16 = 1 << 0;
    const MEMORY_ENABLE: u16 = 1 << 3;
    /// Pages of 4 KiB, which every function has to support (9.3.3.10).
    const PAGES_OF_4_KIB: u32 = 1;

    /// The registers of BARs: as many as in the header of a function.
    pub(crate) const BAR_COUNT: u8 = 6;

    /// Reads the capability at `offset`.
    pub(crate) fn read(space: Space, offset: u16) -> Self {
        let (total, device) = (space.read_u16(offset + Self::TOTAL), space.read_u16(offset + Self::DEVICE));
        Self { offset, total, device }
    }

    /// Returns the offset of its first BAR.
    pub(crate) const fn bars(self) -> u16 {
        self.offset + Self::BARS
    }

    /// Disables the virtual functions.
    pub(crate) fn disable(self, space: Space) {
        space.write_u16(self.offset + Self::CONTROL, 0);
    }

    /// Selects pages of 4 KiB, by which the sizes of BARs are rounded. Returns whether the function has them.
    pub(crate) fn select_pages(self, space: Space) -> bool {
        if space.read_u32(self.offset + Self::PAGE_SIZES) & Self::PAGES_OF_4_KIB == 0 {
            return false;
        }
        space.write_u32(self.offset + Self::PAGE_SIZE, Self::PAGES_OF_4_KIB);
        true
    }

    /// Sets the number of virtual functions, which are disabled. Returns the distances of their routing IDs: from the physical
    /// function to the first one, and from one to the next. Both may depend on the number (9.3.3.9).
    pub(crate) fn set_number(self, space: Space, number: u16) -> (u16, u16) {
        space.write_u16(self.offset + Self::NUMBER, number);
        (space.read_u16(self.offset + Self::FIRST_OFFSET), space.read_u16(self.offset + Self::STRIDE))
    }

    /// Enables the virtual functions, and the decoding of their BARs.
    pub(crate) fn enable(self, space: Space) {
        space.write_u16(self.offset + Self::CONTROL, Self::ENABLE | Self::MEMORY_ENABLE);
    }

    /// Returns whether the virtual functions are enabled.
    pub(crate) fn is_enabled(self, space: Space) -> bool {
        let control = space.read_u16(self.offset + Self::CONTROL);
        control != u16::MAX && control & Self::ENABLE != 0
    }
}
