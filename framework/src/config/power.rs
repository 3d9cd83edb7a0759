//! The power management capability (PCI Power Management 1.2, 3.2).

use super::Space;

const CAPABILITIES: u16 = 2;

/// What the power management capability says. Read once, when the function was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PowerCapability {
    /// Where it is in configuration space.
    pub offset: u16,
    /// Version of its layout: 1 to 3.
    pub version: u8,
    /// Whether it has the state D1.
    pub has_d1: bool,
    /// Whether it has the state D2.
    pub has_d2: bool,
    /// The states from which it can send a power management event: bits 0 to 4 for D0, D1, D2, D3hot, D3cold.
    pub events_from: u8,
    /// Whether it keeps its configuration on the way from D3hot to D0; others come back as from a reset.
    pub keeps_state: bool,
}

impl PowerCapability {
    /// Where the control and status register is, 16 bits wide. Bits 0 and 1 are the state.
    pub const CONTROL: u16 = 4;
    /// Bytes of the capability.
    pub(crate) const LENGTH: u16 = 8;

    /// Reads the capability at `offset`.
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
