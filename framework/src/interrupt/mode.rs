//! The words for how a function interrupts.

use core::fmt;

use bitflags::bitflags;

/// How a function interrupts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// A line: shared, level-triggered.
    Intx,
    /// Messages by the MSI capability: up to 32, one CPU for all.
    Msi,
    /// Messages by the MSI-X capability: up to 2,048, each with an entry of its own.
    Msix,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Intx => "intx",
            Self::Msi => "msi",
            Self::Msix => "msix",
        })
    }
}

bitflags! {
    /// The modes that may be granted on this machine.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct ModePolicy: u8 {
        /// Lines.
        const INTX = 1;
        /// MSI.
        const MSI = 2;
        /// MSI-X.
        const MSIX = 4;
    }
}

impl ModePolicy {
    /// Whether `mode` may be granted.
    #[must_use]
    pub const fn permits(self, mode: Mode) -> bool {
        self.contains(match mode {
            Mode::Intx => Self::INTX,
            Mode::Msi => Self::MSI,
            Mode::Msix => Self::MSIX,
        })
    }
}

/// An interrupt pin: what a function drives (PCI 3.0, 6.2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pin {
    /// INTA#.
    A,
    /// INTB#.
    B,
    /// INTC#.
    C,
    /// INTD#.
    D,
}

impl Pin {
    /// The pin that an Interrupt Pin register names: 1 to 4, and 0 for none. Other values are reserved.
    #[must_use]
    pub const fn from_register(value: u8) -> Option<Self> {
        match value {
            1 => Some(Self::A),
            2 => Some(Self::B),
            3 => Some(Self::C),
            4 => Some(Self::D),
            _ => None,
        }
    }

    /// Its place, 0 for INTA to 3 for INTD.
    #[must_use]
    pub const fn index(self) -> u8 {
        match self {
            Self::A => 0,
            Self::B => 1,
            Self::C => 2,
            Self::D => 3,
        }
    }

    /// The pin that a bridge makes of this one, driven by the device of that number behind it.
    #[must_use]
    pub const fn turned_by(self, device: u8) -> Self {
        match (self.index() + device % 4) % 4 {
            0 => Self::A,
            1 => Self::B,
            2 => Self::C,
            _ => Self::D,
        }
    }

    /// The pin's letter.
    #[must_use]
    pub const fn letter(self) -> char {
        match self {
            Self::A => 'A',
            Self::B => 'B',
            Self::C => 'C',
            Self::D => 'D',
        }
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "INT{}", self.letter())
    }
}

/// A global system interrupt: the number of a line after routing, an I/O APIC input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gsi(pub u32);

impl fmt::Display for Gsi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A CPU interrupt number, and the CPU that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vector {
    /// Local APIC id of the CPU.
    pub cpu: u32,
    /// 32 to 255.
    pub number: u8,
}
