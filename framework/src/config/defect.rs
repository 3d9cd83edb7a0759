//! What is wrong with what a function says of itself, and costs it a feature.
//!
//! Real hardware breaks rules too, so a defect takes away what cannot be trusted and leaves the rest: a function with
//! a broken MSI-X capability is driven by MSI or its line.

use super::{
    BarOffset, Capability, CapabilityList, ChainEnd, Class, ExpressCapability, ExtendedCapability, MsiCapability,
    MsixCapability, PortType,
};

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
    /// An extended capability runs past the end of configuration space; it does not count.
    #[error("extended capability {id:#06x} at {offset:#x} needs {wanted} bytes, which are not there")]
    TruncatedExtended {
        /// What it is.
        id: u16,
        /// Where it begins.
        offset: u16,
        /// Bytes that it needs.
        wanted: u16,
    },
    /// A capability that is to be written lies over another one; it does not count.
    #[error("capability {id:#04x} at {offset:#x} lies over the one at {other:#x}")]
    Overlap {
        /// What it is.
        id: u8,
        /// Where it begins.
        offset: u16,
        /// Where the other begins.
        other: u16,
    },
    /// Extended space shows the first 256 bytes again: there are no extended capabilities.
    #[error("extended configuration space is the first 256 bytes again")]
    Aliased,
    /// A PCI Express function whose extended space cannot be reached.
    #[error("a PCI Express function, and only {reached} bytes of its configuration space can be reached")]
    NoExtendedSpace {
        /// Bytes that can be reached.
        reached: u16,
    },
    /// A PCI Express capability of a version or for a kind of port that nobody knows; it does not count.
    #[error("PCI Express capability of version {version} for port type {port}")]
    Express {
        /// The version.
        version: u8,
        /// The type.
        port: u8,
    },
    /// A pin that is none of the four; there is no line.
    #[error("interrupt pin {pin}, four are the most")]
    Pin {
        /// What the register says.
        pin: u8,
    },
    /// The class of a bridge to more buses, and the header of an endpoint, which counts.
    #[error("class {class} is a PCI bridge's, and the header is not")]
    Class {
        /// The class.
        class: Class,
    },
    /// A bridge that says it is on another bus than it is on.
    #[error("a bridge that says it is on bus {found:#04x}")]
    PrimaryBus {
        /// What it says.
        found: u8,
    },
    /// Command read ones, which it cannot hold; it was told to decode nothing.
    #[error("Command read all ones")]
    Command,
    /// A BAR that is not believed.
    #[error("BAR {index}: {defect}")]
    Bar {
        /// Its first register, 0 to 5.
        index: u8,
        /// What is wrong with it.
        defect: BarDefect,
    },
    /// The expansion ROM's register holds what none can.
    #[error("the ROM's register reads {value:#x}")]
    Rom {
        /// What it reads.
        value: u32,
    },
    /// The MSI-X table or its pending bits are where they cannot be; MSI-X does not count.
    #[error("MSI-X: {length} bytes of {what} at {:#x} of BAR {}: {reason}", .place.offset, .place.bar)]
    Msix {
        /// Which.
        what: &'static str,
        /// Where it is said to be.
        place: BarOffset,
        /// Its bytes.
        length: u64,
        /// Why it cannot be there.
        reason: &'static str,
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

/// What is wrong with a BAR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BarDefect {
    /// It holds an address and takes none.
    #[error("it holds something, and no bit of it can be written")]
    NoSize,
    /// The address bits that can be written are no power of two.
    #[error("it reads {mask:#x} after ones were written, which is no size")]
    Holes {
        /// The bits that can be written.
        mask: u64,
    },
    /// It wants more than there is.
    #[error("it wants {size:#x} bytes")]
    TooLarge {
        /// Its bytes.
        size: u64,
    },
    /// It takes two registers, and begins in the last one.
    #[error("64 bits wide, and in the last register")]
    NoUpperHalf,
    /// It wants memory below 1 MiB, which is a reserved type by now.
    #[error("it wants memory below 1 MiB")]
    BelowOneMib,
    /// It is of a reserved type.
    #[error("of a reserved type")]
    Reserved,
    /// It was given an address that it cannot decode. It counts, and has none.
    #[error("it is at {address:#x}, no multiple of its {size:#x} bytes")]
    Askew {
        /// The address.
        address: u64,
        /// Its bytes.
        size: u64,
    },
    /// The console's ports are in it, so that it is left alone.
    #[error("the console is behind it: it is not sized")]
    Console,
}

/// Where the capabilities of PCI end, and PCI Express' extended ones begin.
const END: u16 = 256;

impl Defect {
    /// Whether all of a capability's `length` bytes are there.
    pub(crate) fn check_length(id: u8, offset: u16, length: u16) -> Result<(), Self> {
        if offset + length <= END { Ok(()) } else { Err(Self::Truncated { id, offset, wanted: length }) }
    }

    /// Whether all of an extended capability is there.
    pub(crate) fn check_extended(entry: ExtendedCapability) -> Result<(), Self> {
        let ExtendedCapability { id, offset, .. } = entry;
        let wanted = entry.least();
        if offset + wanted <= 4096 { Ok(()) } else { Err(Self::TruncatedExtended { id, offset, wanted }) }
    }

    /// Whether the PCI Express capability says what is known.
    pub(crate) fn check_express(express: ExpressCapability) -> Result<(), Self> {
        match (express.version, express.port) {
            (version, PortType::Reserved(port)) => Err(Self::Express { version, port }),
            (1 | 2, _) => Ok(()),
            (version, port) => Err(Self::Express { version, port: port.number() }),
        }
    }

    /// Whether MSI can be used.
    pub(crate) fn check_msi(msi: MsiCapability, list: &CapabilityList) -> Result<(), Self> {
        Self::check_length(Capability::MSI, msi.offset, msi.length())?;
        Self::check_apart(Capability::MSI, msi.offset, msi.length(), list)?;
        match msi {
            MsiCapability { count: count @ 33.., .. } => Err(Self::MsiCount { count }),
            MsiCapability { granted: granted @ 33.., .. } => Err(Self::MsiGranted { granted }),
            _ => Ok(()),
        }
    }

    /// Whether MSI-X can be used. Where its table leads is for the BARs to say.
    pub(crate) fn check_msix(msix: MsixCapability, list: &CapabilityList) -> Result<(), Self> {
        Self::check_length(Capability::MSIX, msix.offset, MsixCapability::LENGTH)?;
        Self::check_apart(Capability::MSIX, msix.offset, MsixCapability::LENGTH, list)
    }

    /// Whether no other capability begins within this one: what is written to one would be written to the other.
    fn check_apart(id: u8, offset: u16, length: u16, list: &CapabilityList) -> Result<(), Self> {
        let over = list.entries.iter().find(|other| offset < other.offset && other.offset < offset + length);
        over.map_or(Ok(()), |other| Err(Self::Overlap { id, offset, other: other.offset }))
    }
}
