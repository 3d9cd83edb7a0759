//! The capability list, walked with bounds.
//!
//! The walk of `pci_types` trusts the next pointers and never ends on a list that points back into itself. This one ends on every
//! input and reports how the list ended.

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
#[non_exhaustive]
pub struct Capability {
    /// Capability ID (PCI Code and ID Assignment, 2).
    pub id: u8,
    /// Offset in configuration space.
    pub offset: u16,
}

impl Capability {
    /// Null: an entry of the list that is no capability.
    pub const NULL: u8 = 0x00;
    /// Power management.
    pub const POWER: u8 = 0x01;
    /// Message signalled interrupts.
    pub const MSI: u8 = 0x05;
    /// PCI-X.
    pub const PCI_X: u8 = 0x07;
    /// Vendor-specific: a length follows, and contents that the vendor defines.
    pub const VENDOR: u8 = 0x09;
    /// Subsystem IDs of a bridge.
    pub const SUBSYSTEM: u8 = 0x0d;
    /// PCI Express.
    pub const EXPRESS: u8 = 0x10;
    /// MSI-X.
    pub const MSIX: u8 = 0x11;
}

/// A function's capability list, up to its end or to where it is malformed.
///
/// ```
/// use switchboard::config::{Address, Capability, ChainEnd, Facts};
/// use switchboard_testing::{FakeFunction, FakeMachine};
///
/// // Vendor-specific at 0x50, then MSI at 0x40, whose next pointer leads back to 0x50.
/// let function = FakeFunction::new(0x1234, 0x11e8).at("00:03.0").msi(4).capability(Capability::VENDOR, &[3]);
/// let fake = FakeMachine::new([function.byte(0x41, 0x50)]);
/// let list = Facts::decode(fake.config(), Address::new(0, 0, 3, 0)).capabilities;
/// assert_eq!(list.find(Capability::MSI), Some(0x40));
/// assert_eq!(list.find(Capability::MSIX), None);
/// assert_eq!((list.entries.len(), list.end), (2, ChainEnd::Looped(0x50)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CapabilityList {
    /// The entries, in the order of the list.
    pub entries: Vec<Capability>,
    /// How the list ends.
    pub end: ChainEnd,
}

/// How a list of capabilities ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChainEnd {
    /// Properly: there is no list, or the last pointer is null.
    #[default]
    Complete,
    /// The list loops back to this offset.
    Looped(u16),
    /// A pointer leads to this offset, which reads all ones.
    Broken(u16),
    /// A pointer leads to this offset, which the access does not reach.
    Unreadable(u16),
    /// A pointer leads to this offset, where no capability can be: into the header, or from the extended list out of
    /// extended space.
    Outside(u16),
}

impl CapabilityList {
    /// Walks the list of a header of that kind. Each dword is visited once, so the walk ends after 48 entries at the latest.
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

    /// Returns the offset of the first capability with that ID; further ones with the same ID are ignored.
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
