//! Defects: invalid contents of a function's configuration space that cost it a feature.
//!
//! Real hardware breaks rules too, so a defect disables what cannot be trusted and keeps the rest: a function with
//! a broken MSI-X capability is driven by MSI or its line.

use super::{
    BarOffset, Capability, CapabilityList, ChainEnd, Class, ExpressCapability, ExtendedCapability, MsiCapability,
    MsixCapability, PortType,
};

/// Invalid contents of a function's configuration space, which are not used.
///
/// ```
/// use switchboard::config::{Address, Defect, Facts};
/// use switchboard_testing::{FakeFunction, FakeMachine};
///
/// // Interrupt Pin 5: pins are 1 to 4.
/// let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8).at("00:03.0").pin(5, 11)]);
/// let facts = Facts::decode(fake.config(), Address::new(0, 0, 3, 0));
/// assert_eq!(facts.defects, [Defect::Pin { pin: 5 }]);
/// // The function is found and reported, without a line.
/// let report = &fake.machine().functions()[0];
/// assert_eq!((report.offers.intx, &report.defects), (None, &facts.defects));
/// assert_eq!(report.defects[0].to_string(), "interrupt pin 5, four are the most");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Defect {
    /// The capability list is malformed. The entries before the fault are used.
    #[error("the capability list ends badly: {0}")]
    CapabilityList(ChainEnd),
    /// The extended capability list is malformed. The entries before the fault are used.
    #[error("the extended capability list ends badly: {0}")]
    ExtendedList(ChainEnd),
    /// A capability runs past the end of the first 256 bytes; it is ignored.
    #[error("capability {id:#04x} at {offset:#x} needs {wanted} bytes, which are not there")]
    Truncated {
        /// Capability ID.
        id: u8,
        /// Offset in configuration space.
        offset: u16,
        /// Bytes that it needs.
        wanted: u16,
    },
    /// An extended capability runs past the end of configuration space; it is ignored.
    #[error("extended capability {id:#06x} at {offset:#x} needs {wanted} bytes, which are not there")]
    TruncatedExtended {
        /// Extended capability ID.
        id: u16,
        /// Offset in configuration space.
        offset: u16,
        /// Bytes that it needs.
        wanted: u16,
    },
    /// A capability that would be written to overlaps another one; it is ignored.
    #[error("capability {id:#04x} at {offset:#x} overlaps the one at {other:#x}")]
    Overlap {
        /// Capability ID.
        id: u8,
        /// Offset in configuration space.
        offset: u16,
        /// Offset of the other one.
        other: u16,
    },
    /// Extended space is an alias of the first 256 bytes: there are no extended capabilities.
    #[error("extended configuration space is the first 256 bytes again")]
    Aliased,
    /// Extended space of a PCI Express function cannot be reached.
    #[error("a PCI Express function, and only {reached} bytes of its configuration space can be reached")]
    NoExtendedSpace {
        /// Bytes that can be reached.
        reached: u16,
    },
    /// A PCI Express capability of an unknown version or port type; it is ignored.
    #[error("PCI Express capability of version {version} for port type {port}")]
    Express {
        /// Version of the capability.
        version: u8,
        /// Port type.
        port: u8,
    },
    /// A reserved value in Interrupt Pin; there is no line.
    #[error("interrupt pin {pin}, four are the most")]
    Pin {
        /// The register's value.
        pin: u8,
    },
    /// The class of a PCI-to-PCI bridge with the header of an endpoint; the header is used.
    #[error("class {class} is a PCI bridge's, and the header is not")]
    Class {
        /// Class code.
        class: Class,
    },
    /// A bridge whose Primary Bus Number is not the bus that it is on.
    #[error("a bridge with primary bus {found:#04x}, which it is not on")]
    PrimaryBus {
        /// The register's value.
        found: u8,
    },
    /// Command read all ones, which it cannot hold; decoding was disabled.
    #[error("Command read all ones")]
    Command,
    /// A BAR that is not used as it is.
    #[error("BAR {index}: {defect}")]
    Bar {
        /// Its first register, 0 to 5.
        index: u8,
        /// The fault.
        defect: BarDefect,
    },
    /// The expansion ROM's register holds an impossible value.
    #[error("the ROM's register reads {value:#x}")]
    Rom {
        /// The register's value.
        value: u32,
    },
    /// The MSI-X table or its pending bits are at an impossible place; MSI-X is ignored.
    #[error("MSI-X: {length} bytes of {what} at {:#x} of BAR {}: {reason}", .place.offset, .place.bar)]
    Msix {
        /// `table` or `pending bits`.
        what: &'static str,
        /// The place that the capability holds.
        place: BarOffset,
        /// Bytes needed.
        length: u64,
        /// Why it cannot be there.
        reason: &'static str,
    },
    /// Multiple Message Capable holds a reserved value; MSI is ignored.
    #[error("MSI for {count} messages, 32 are the most")]
    MsiCount {
        /// The number of messages that the value stands for.
        count: u8,
    },
    /// Multiple Message Enable holds a reserved value; MSI is ignored.
    #[error("MSI with {granted} messages granted by firmware, 32 are the most")]
    MsiGranted {
        /// The number of messages that the value stands for.
        granted: u8,
    },
}

/// A fault of one BAR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BarDefect {
    /// It holds an address, and none of its bits can be written.
    #[error("it holds something, and no bit of it can be written")]
    NoSize,
    /// The address bits that can be written are not contiguous, so that the size is no power of two.
    #[error("it reads {mask:#x} after ones were written, which is no size")]
    Holes {
        /// The bits that can be written.
        mask: u64,
    },
    /// It is larger than the address space.
    #[error("a size of {size:#x} bytes, larger than the address space")]
    TooLarge {
        /// Its bytes.
        size: u64,
    },
    /// A 64-bit BAR begins in the last register.
    #[error("64 bits wide, and in the last register")]
    NoUpperHalf,
    /// It is of the type for memory below 1 MiB, which is reserved since PCI 3.0.
    #[error("of the reserved type for memory below 1 MiB")]
    BelowOneMib,
    /// It is of a reserved type.
    #[error("of a reserved type")]
    Reserved,
    /// Its address is not a multiple of its size. It is treated as a BAR without an address.
    #[error("it is at {address:#x}, no multiple of its {size:#x} bytes")]
    Askew {
        /// The address.
        address: u64,
        /// Its bytes.
        size: u64,
    },
    /// It decodes the console's ports, so no BAR of the function is sized.
    #[error("the console is behind it: it is not sized")]
    Console,
}

/// The end of the capabilities of PCI, and the start of the extended ones of PCI Express.
const END: u16 = 256;

impl Defect {
    /// Checks that all of a capability's `length` bytes are within the first 256.
    pub(crate) fn check_length(id: u8, offset: u16, length: u16) -> Result<(), Self> {
        if offset + length <= END { Ok(()) } else { Err(Self::Truncated { id, offset, wanted: length }) }
    }

    /// Checks that all of an extended capability is within configuration space.
    pub(crate) fn check_extended(entry: ExtendedCapability) -> Result<(), Self> {
        let ExtendedCapability { id, offset, .. } = entry;
        let wanted = entry.min_bytes();
        if offset + wanted <= 4096 { Ok(()) } else { Err(Self::TruncatedExtended { id, offset, wanted }) }
    }

    /// Checks version and port type of a PCI Express capability.
    pub(crate) fn check_express(express: ExpressCapability) -> Result<(), Self> {
        match (express.version, express.port) {
            (version, PortType::Reserved(port)) => Err(Self::Express { version, port }),
            (1 | 2, _) => Ok(()),
            (version, port) => Err(Self::Express { version, port: port.number() }),
        }
    }

    /// Checks that an MSI capability can be used.
    pub(crate) fn check_msi(msi: MsiCapability, list: &CapabilityList) -> Result<(), Self> {
        Self::check_length(Capability::MSI, msi.offset, msi.length())?;
        Self::check_apart(Capability::MSI, msi.offset, msi.length(), list)?;
        match msi {
            MsiCapability { count: count @ 33.., .. } => Err(Self::MsiCount { count }),
            MsiCapability { granted: granted @ 33.., .. } => Err(Self::MsiGranted { granted }),
            _ => Ok(()),
        }
    }

    /// Checks that an MSI-X capability can be used. The place of its table is checked once the BARs are sized.
    pub(crate) fn check_msix(msix: MsixCapability, list: &CapabilityList) -> Result<(), Self> {
        Self::check_length(Capability::MSIX, msix.offset, MsixCapability::LENGTH)?;
        Self::check_apart(Capability::MSIX, msix.offset, MsixCapability::LENGTH, list)
    }

    /// Checks that no other capability begins within this one: a write to one would reach the other.
    fn check_apart(id: u8, offset: u16, length: u16, list: &CapabilityList) -> Result<(), Self> {
        let over = list.entries.iter().find(|other| offset < other.offset && other.offset < offset + length);
        over.map_or(Ok(()), |other| Err(Self::Overlap { id, offset, other: other.offset }))
    }
}
