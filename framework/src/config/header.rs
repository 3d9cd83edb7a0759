//! The part of the configuration header that every function has, and the Command register.

use core::fmt;

use pci_types::device_type::DeviceType;
use pci_types::{HeaderType, PciHeader};

use super::Pin;
use super::{BridgeHeader, BusNumbers, Space};

pub(crate) use pci_types::CommandRegister as Command;

/// Offset of the Command register, 16 bits wide. Status is in the same dword and is cleared by ones: never write both.
pub(crate) const COMMAND: u16 = 0x04;
const HEADER_TYPE: u16 = 0x0e;
const INTERRUPT: u16 = 0x3c;

/// The configuration header of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// Vendor ID.
    pub vendor: u16,
    /// Device ID.
    pub device: u16,
    /// Revision ID.
    pub revision: u8,
    /// Class code.
    pub class: Class,
    /// The layout of the rest of the header.
    pub kind: HeaderKind,
    /// Whether the device has more functions (meaningful in function 0).
    pub is_multifunction: bool,
    /// The interrupt pin that the function drives.
    pub pin: Option<Pin>,
    /// Interrupt Line, which firmware writes.
    pub interrupt_line: u8,
}

/// A class code: base class, sub-class, programming interface.
///
/// ```
/// use switchboard::config::Class;
///
/// let nvme = Class { base: 0x01, sub: 0x08, interface: 0x02 };
/// assert_eq!(nvme.to_string(), "010802");
/// assert!(!nvme.is_bridge());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Class {
    /// Base class.
    pub base: u8,
    /// Sub-class.
    pub sub: u8,
    /// Programming interface.
    pub interface: u8,
}

impl Class {
    /// Returns the name of the class as the PCI-SIG assigns it. The type is re-exported from `pci_types`.
    #[must_use]
    pub fn name(self) -> DeviceType {
        DeviceType::from((self.base, self.sub))
    }

    /// Returns whether this is a host bridge, whose BARs must not be sized.
    #[must_use]
    pub fn is_host_bridge(self) -> bool {
        (self.base, self.sub) == (6, 0)
    }

    /// Returns whether this is a bridge of any kind.
    #[must_use]
    pub fn is_bridge(self) -> bool {
        self.base == 6
    }

    /// Returns whether this is a PCI-to-PCI bridge.
    #[must_use]
    pub fn is_pci_bridge(self) -> bool {
        (self.base, self.sub) == (6, 4)
    }
}

/// Writes six hexadecimal digits.
impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}{:02x}{:02x}", self.base, self.sub, self.interface)
    }
}

/// The layout of the rest of the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderKind {
    /// Type 0.
    Endpoint,
    /// Type 1: a bridge to more PCI buses.
    Bridge(BridgeHeader),
    /// Type 2: a CardBus bridge, with its bus numbers. What is behind it is not supported.
    CardBus(BusNumbers),
    /// A reserved type.
    Unknown(u8),
}

impl Header {
    /// Returns Device ID and Vendor ID as the dword that holds both.
    pub(crate) fn ids(&self) -> u32 {
        u32::from(self.device) << 16 | u32::from(self.vendor)
    }

    /// Decodes the header; all fields are ones where no function answers.
    pub(crate) fn decode(space: Space) -> Self {
        let header = PciHeader::new(space.address());
        let (vendor, device) = header.id(space);
        let kind = match header.header_type(space) {
            HeaderType::Endpoint => HeaderKind::Endpoint,
            HeaderType::PciPciBridge => HeaderKind::Bridge(BridgeHeader::read(space)),
            HeaderType::CardBusBridge => HeaderKind::CardBus(BusNumbers::read(space)),
            _ => HeaderKind::Unknown(space.read_u8(HEADER_TYPE) & 0x7f),
        };
        let (revision, base, sub, interface) = header.revision_and_class(space);
        let [interrupt_line, pin] = space.read_u16(INTERRUPT).to_le_bytes();
        Self {
            vendor,
            device,
            revision,
            class: Class { base, sub, interface },
            kind,
            is_multifunction: header.has_multiple_functions(space),
            pin: Pin::from_register(pin),
            interrupt_line,
        }
    }
}

/// Changes Command by a 16-bit write and returns its value before. Nothing is written when it reads all ones, which Command
/// cannot hold: the function is gone.
pub(crate) fn update_command(space: Space, change: impl FnOnce(Command) -> Command) -> Command {
    let before = read_command(space);
    if before.bits() != u16::MAX {
        write_command(space, change(before));
    }
    before
}

/// Writes Command by a 16-bit write, without reading it.
pub(crate) fn write_command(space: Space, command: Command) {
    space.write_u16(COMMAND, command.bits());
}

/// Reads Command.
pub(crate) fn read_command(space: Space) -> Command {
    Command::from_bits_retain(space.read_u16(COMMAND))
}
