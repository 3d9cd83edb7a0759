//! The capability list, walked with bounds.
//!
//! `pci_types` has a walk of its own; it trusts the next pointers, and a list that points back into itself
//! never ends there. This one ends on every input, and says how.

use alloc::vec::Vec;
use core::fmt;

use super::{HeaderKind, Space};

/// The header ends here; nothing below can be a capability (PCI 3.0, 6.7).
const LOWEST: u8 = 0x40;
/// Status bit 4: there is a list (PCI 3.0, 6.2.3).
const STATUS_LIST: u16 = 1 << 4;

const STATUS: u16 = 0x06;
const POINTER: u16 = 0x34;
const POINTER_CARDBUS: u16 = 0x14;

/// One entry of a function's capability list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capability {
    /// What it is (PCI Code and ID Assignment, 2).
    pub id: u8,
    /// Where it is in configuration space.
    pub offset: u16,
}

impl Capability {
    /// No capability, though in the list.
    pub const NULL: u8 = 0x00;
    /// Power management.
    pub const POWER: u8 = 0x01;
    /// Message signalled interrupts.
    pub const MSI: u8 = 0x05;
    /// PCI-X.
    pub const PCI_X: u8 = 0x07;
    /// The vendor's own: a length follows, and whatever the vendor likes.
    pub const VENDOR: u8 = 0x09;
    /// The subsystem of a bridge.
    pub const SUBSYSTEM: u8 = 0x0d;
    /// PCI Express.
    pub const EXPRESS: u8 = 0x10;
    /// MSI-X.
    pub const MSIX: u8 = 0x11;
}

/// A capability list, up to where it ends or breaks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CapabilityList {
    /// What is in it, in the order of the list.
    pub entries: Vec<Capability>,
    /// How it ends.
    pub end: ChainEnd,
}

/// How a list of capabilities ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChainEnd {
    /// As it should: there is no list, or its last pointer is null.
    #[default]
    Complete,
    /// It meets itself at this offset.
    Looped(u16),
    /// The entry at this offset reads all ones: there is nothing.
    Broken(u16),
    /// It leads to this offset, which the access does not reach.
    Unreadable(u16),
    /// It leads to this offset, where no capability can be: into the header, or from the extended list out of
    /// extended space.
    Outside(u16),
}

impl CapabilityList {
    /// Walks the list of a header of that kind. Each dword is looked at once, so it ends after 48 at the latest.
    pub(crate) fn read(space: Space, kind: HeaderKind) -> Self {
        let start = match kind {
            HeaderKind::Endpoint | HeaderKind::Bridge(_) => POINTER,
            HeaderKind::CardBus(_) => POINTER_CARDBUS,
            HeaderKind::Unknown(_) => return Self::default(),
        };
        let mut list = Self::default();
        if space.read_u16(STATUS) & STATUS_LIST == 0 {
            return list;
        }
        // A bit for each dword of the 256 bytes.
        let mut seen = 0_u64;
        let mut next = space.read_u8(start) & !3;
        while next != 0 {
            let (offset, dword) = (u16::from(next), 1 << (next / 4));
            if next < LOWEST {
                list.end = ChainEnd::Outside(offset);
                break;
            }
            if !space.reaches(offset, 4) {
                list.end = ChainEnd::Unreadable(offset);
                break;
            }
            if seen & dword != 0 {
                list.end = ChainEnd::Looped(offset);
                break;
            }
            seen |= dword;
            let [id, pointer] = space.read_u16(offset).to_le_bytes();
            if id == 0xff {
                list.end = ChainEnd::Broken(offset);
                break;
            }
            list.entries.push(Capability { id, offset });
            next = pointer & !3;
        }
        list
    }

    /// Where the first capability of that kind is: of several, it counts.
    #[must_use]
    pub fn find(&self, id: u8) -> Option<u16> {
        self.entries.iter().find(|entry| entry.id == id).map(|entry| entry.offset)
    }
}

impl fmt::Display for ChainEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Complete => f.write_str("complete"),
            Self::Looped(offset) => write!(f, "it meets itself at {offset:#x}"),
            Self::Broken(offset) => write!(f, "it leads to {offset:#x}, where nothing is"),
            Self::Unreadable(offset) => write!(f, "it leads to {offset:#x}, which cannot be reached"),
            Self::Outside(offset) => write!(f, "it leads to {offset:#x}, where no capability can be"),
        }
    }
}
