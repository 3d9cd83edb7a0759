//! The part of a header that every function has.

use core::fmt;

use pci_types::device_type::DeviceType;
use pci_types::{HeaderType, PciHeader};

use super::Pin;
use super::{BridgeHeader, BusNumbers, Space};

pub(crate) use pci_types::CommandRegister as Command;

/// Offset of the Command register, 16 bits wide. Status is beside it and is cleared by ones: never write both.
pub(crate) const COMMAND: u16 = 0x04;
const HEADER_TYPE: u16 = 0x0e;
const INTERRUPT: u16 = 0x3c;

/// What a function says of itself in its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Vendor ID.
    pub vendor: u16,
    /// Device ID.
    pub device: u16,
    /// Revision ID.
    pub revision: u8,
    /// Class code.
    pub class: Class,
    /// What kind of header follows.
    pub kind: HeaderKind,
    /// Whether the device has more functions (meaningful in function 0).
    pub is_multifunction: bool,
    /// The pin that the function drives.
    pub pin: Option<Pin>,
    /// What firmware wrote into Interrupt Line.
    pub interrupt_line: u8,
}

/// A class code: base class, sub-class, programming interface.
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
    /// The name of the class, as the PCI SIG assigns them.
    #[must_use]
    pub fn name(self) -> DeviceType {
        DeviceType::from((self.base, self.sub))
    }

    /// Whether it is a host bridge, whose BARs must not be sized.
    #[must_use]
    pub fn is_host_bridge(self) -> bool {
        (self.base, self.sub) == (6, 0)
    }

    /// Whether it is a bridge of any kind.
    #[must_use]
    pub fn is_bridge(self) -> bool {
        self.base == 6
    }

    /// Whether it is a bridge to more PCI buses.
    #[must_use]
    pub fn is_pci_bridge(self) -> bool {
        (self.base, self.sub) == (6, 4)
    }
}

/// As six hexadecimal digits.
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
    /// Type 2: a bridge to CardBus, not driven here, and its buses.
    CardBus(BusNumbers),
    /// A reserved type.
    Unknown(u8),
}

impl Header {
    /// Device and vendor, as one register has them.
    pub(crate) fn ids(&self) -> u32 {
        u32::from(self.device) << 16 | u32::from(self.vendor)
    }

    /// Reads the header, whatever answers.
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

/// Changes Command by a 16-bit write, and returns what it was. One that reads all ones, as no Command does, belongs
/// to a function that is gone, and is not written.
pub(crate) fn update_command(space: Space, change: impl FnOnce(Command) -> Command) -> Command {
    let before = read_command(space);
    if before.bits() != u16::MAX {
        write_command(space, change(before));
    }
    before
}

/// Sets Command, whatever it was, by a 16-bit write.
pub(crate) fn write_command(space: Space, command: Command) {
    space.write_u16(COMMAND, command.bits());
}

/// What Command says.
pub(crate) fn read_command(space: Space) -> Command {
    Command::from_bits_retain(space.read_u16(COMMAND))
}
