//! The power management capability (PCI Power Management 1.2, 3.2).

use super::Space;

const CAPABILITIES: u16 = 2;

/// The power management capability, read once when the function was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PowerCapability {
    /// Offset in configuration space.
    pub offset: u16,
    /// Version of its layout: 1 to 3.
    pub version: u8,
    /// Whether the function supports the power state D1.
    pub has_d1: bool,
    /// Whether the function supports the power state D2.
    pub has_d2: bool,
    /// The power states from which the function can send a power management event: bits 0 to 4 for D0, D1, D2, D3hot, D3cold.
    pub events_from: u8,
    /// No_Soft_Reset: whether the function keeps its configuration from D3hot to D0; others return as from a reset.
    pub keeps_state: bool,
}

impl PowerCapability {
    /// Offset of the control and status register in the capability, 16 bits wide. Bits 0 and 1 are the power state.
    pub const CONTROL: u16 = 4;
    /// Bytes of the capability.
    pub(crate) const LENGTH: u16 = 8;

    /// Decodes the capability at `offset`.
    pub(crate) fn read(space: Space, offset: u16) -> Self {
        let capabilities = space.read_u16(offset + CAPABILITIES);
        Self {
            offset,
            version: (capabilities & 7) as u8,
            has_d1: capabilities & 1 << 9 != 0,
            has_d2: capabilities & 1 << 10 != 0,
            events_from: (capabilities >> 11) as u8,
            keeps_state: space.read_u16(offset + Self::CONTROL) & 1 << 3 != 0,
        }
    }
}
