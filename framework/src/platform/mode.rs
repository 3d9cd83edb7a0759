//! The interrupt modes of a function, and the numbers of lines and vectors.

use core::fmt;

use bitflags::bitflags;

use crate::config::Pin;

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

/// The interrupt modes that a function offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offers {
    /// The pin that it drives.
    pub intx: Option<Pin>,
    /// Messages by MSI.
    pub msi: u8,
    /// Entries of its MSI-X table.
    pub msix: u16,
}

impl Offers {
    /// Whether it offers `mode`.
    #[must_use]
    pub const fn has(self, mode: Mode) -> bool {
        match mode {
            Mode::Intx => self.intx.is_some(),
            Mode::Msi => self.msi > 0,
            Mode::Msix => self.msix > 0,
        }
    }
}

impl fmt::Display for Offers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.intx {
            Some(pin) => write!(f, "{pin}, ")?,
            None => f.write_str("no pin, ")?,
        }
        write!(f, "MSI {}, MSI-X {}", self.msi, self.msix)
    }
}

/// The modes that a machine permits, for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PermittedModes(pub(crate) ModePolicy);

impl fmt::Display for PermittedModes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let modes = [Mode::Intx, Mode::Msi, Mode::Msix];
        let mut permitted = modes.into_iter().filter(|mode| self.0.permits(*mode)).peekable();
        if permitted.peek().is_none() {
            return f.write_str("none");
        }
        while let Some(mode) = permitted.next() {
            write!(f, "{mode}{}", if permitted.peek().is_some() { ", " } else { "" })?;
        }
        Ok(())
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
    cpu: u32,
    number: u8,
}

impl Vector {
    /// Returns the vector with these numbers.
    #[must_use]
    pub const fn new(cpu: u32, number: u8) -> Self {
        Self { cpu, number }
    }

    /// Returns the local APIC id of its CPU.
    #[must_use]
    pub const fn cpu(self) -> u32 {
        self.cpu
    }

    /// Returns its number, 32 to 255; 0 in reports of handlers that have no vector.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.number
    }
}
