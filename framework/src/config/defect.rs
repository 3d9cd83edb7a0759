//! What is wrong with what a function says of itself, and costs it a feature.
//!
//! Real hardware breaks rules too, so a defect takes away what cannot be trusted and leaves the rest: a function with
//! a broken MSI-X capability is driven by MSI or its line.

use super::{Capability, ChainEnd, MsiCapability, MsixCapability};

/// Something that a function says and that is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Defect {
    /// Its capability list ends badly. What came before counts.
    #[error("the capability list ends badly: {0}")]
    CapabilityList(ChainEnd),
    /// Its extended capability list ends badly. What came before counts.
    #[error("the extended capability list ends badly: {0}")]
    ExtendedList(ChainEnd),
    /// A capability runs past the configuration space that it must be in; it does not count.
    #[error("capability {id:#04x} at {offset:#x} needs {wanted} bytes, which are not there")]
    Truncated {
        /// What it is.
        id: u8,
        /// Where it begins.
        offset: u16,
        /// Bytes that it needs.
        wanted: u16,
    },
    /// More messages by MSI than there can be; MSI does not count.
    #[error("MSI for {count} messages, 32 are the most")]
    MsiCount {
        /// What its field says.
        count: u8,
    },
    /// Firmware is said to have granted more messages by MSI than there can be; MSI does not count.
    #[error("MSI says that {granted} messages were granted, 32 are the most")]
    MsiGranted {
        /// What its field says.
        granted: u8,
    },
}

/// Where the capabilities of PCI end, and PCI Express' extended ones begin.
const END: u16 = 256;

impl Defect {
    /// Whether all of a capability's `length` bytes are there.
    pub(crate) fn check_length(id: u8, offset: u16, length: u16) -> Result<(), Self> {
        if offset + length <= END { Ok(()) } else { Err(Self::Truncated { id, offset, wanted: length }) }
    }

    /// Whether MSI can be used.
    pub(crate) fn check_msi(msi: MsiCapability) -> Result<(), Self> {
        Self::check_length(Capability::MSI, msi.offset, msi.length())?;
        match msi {
            MsiCapability { count: count @ 33.., .. } => Err(Self::MsiCount { count }),
            MsiCapability { granted: granted @ 33.., .. } => Err(Self::MsiGranted { granted }),
            _ => Ok(()),
        }
    }

    /// Whether MSI-X can be used. Where its table leads is for the BARs to say.
    pub(crate) fn check_msix(msix: MsixCapability) -> Result<(), Self> {
        Self::check_length(Capability::MSIX, msix.offset, MsixCapability::LENGTH)
    }
}
