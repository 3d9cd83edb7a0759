//! Interrupt pins.

use core::fmt;

/// An interrupt pin of a function (PCI 3.0, 6.2.4).
///
/// ```
/// use switchboard::config::Pin;
///
/// assert_eq!(Pin::from_register(2), Some(Pin::B));
/// assert_eq!(Pin::B.to_string(), "INTB");
/// // Behind a bridge, as device 3 of its secondary bus, INTB arrives on the primary bus as INTA.
/// assert_eq!(Pin::B.turned_by(3), Pin::A);
/// ```
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
    /// Returns the pin for a value of Interrupt Pin: 1 to 4, and 0 for none. Other values are reserved.
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

    /// Returns the index, 0 for INTA to 3 for INTD.
    #[must_use]
    pub const fn index(self) -> u8 {
        match self {
            Self::A => 0,
            Self::B => 1,
            Self::C => 2,
            Self::D => 3,
        }
    }

    /// Returns the pin on a bridge's primary side for this pin of `device` on its secondary bus (PCI-to-PCI bridge 1.2, 9.1).
    #[must_use]
    pub const fn turned_by(self, device: u8) -> Self {
        match (self.index() + device % 4) % 4 {
            0 => Self::A,
            1 => Self::B,
            2 => Self::C,
            _ => Self::D,
        }
    }

    /// Returns the pin's letter.
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
