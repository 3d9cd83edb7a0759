//! Interrupt modes of functions, and the numbers of lines and vectors.

use core::fmt;

use bitflags::bitflags;

use crate::config::Pin;

/// An interrupt mode of a function.
///
/// ```
/// use switchboard::interrupt::{Mode, ModePolicy};
///
/// // As `irq=msi,intx` on the command line of our image.
/// let policy = ModePolicy::MSI | ModePolicy::INTX;
/// assert!(policy.permits(Mode::Msi) && !policy.permits(Mode::Msix));
/// assert_eq!(Mode::Msix.to_string(), "msix");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// INTx: a line, shared and level-triggered.
    Intx,
    /// MSI: up to 32 messages, which share one address and so one CPU.
    Msi,
    /// MSI-X: up to 2,048 messages, each with an address and a mask of its own.
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
    /// A set of interrupt modes that may be granted on a machine.
    ///
    /// ```
    /// use switchboard::interrupt::ModePolicy;
    /// use switchboard_testing::{FakeFunction, FakeMachine};
    ///
    /// switchboard::messages! { enum Event { Done } }
    /// # use switchboard::interrupt::{InIsr, MessageIsr};
    /// # struct Handler;
    /// # impl MessageIsr<1> for Handler {
    /// #     type Message = Event;
    /// #     fn on_message(&self, _: Event, _: &InIsr<'_>) {}
    /// # }
    /// let function = FakeFunction::new(0x1234, 0x11e8).pin(1, 11).msi(1);
    /// let fake = FakeMachine::with_policy(ModePolicy::INTX, [function]);
    /// let resources = fake.machine().take_all().remove(0).claim().expect("an endpoint");
    /// assert!(resources.irq.grant_messages::<1, Handler>().is_err(), "offered, and not permitted");
    /// ```
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
    /// Returns whether `mode` may be granted.
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
///
/// ```
/// use switchboard::interrupt::{Mode, Pin};
/// use switchboard_testing::{FakeFunction, FakeMachine};
///
/// let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8).pin(1, 11).msi(4)]);
/// let offers = fake.machine().functions()[0].offers;
/// assert_eq!((offers.intx, offers.msi, offers.msix), (Some(Pin::A), 4, 0));
/// assert!(offers.has(Mode::Msi) && !offers.has(Mode::Msix));
/// assert_eq!(offers.to_string(), "INTA, MSI 4, MSI-X 0");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offers {
    /// The interrupt pin that the function drives.
    pub intx: Option<Pin>,
    /// The number of MSI messages; 0 without a usable capability.
    pub msi: u8,
    /// The number of MSI-X table entries; 0 without a usable capability.
    pub msix: u16,
}

impl Offers {
    /// Returns whether `mode` is offered.
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

/// The interrupt modes that a machine permits, formatted for error messages as `msi, msix`, or `none`.
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

/// A global system interrupt: the number of a line after routing, an input of an I/O APIC.
///
/// ```
/// use switchboard::interrupt::{Gsi, Line, LineIsr};
/// # use switchboard::interrupt::{Claim, InIsr};
/// use switchboard_testing::{FakeFunction, FakeMachine};
/// # struct Handler;
/// # impl LineIsr for Handler {
/// #     fn on_line(&self, _: &InIsr<'_>) -> Claim {
/// #         Claim::NotMine
/// #     }
/// # }
///
/// let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8).pin(1, 11)]);
/// let resources = fake.machine().take_all().remove(0).claim().expect("an endpoint");
/// let line: Line<Handler> = resources.irq.grant_line().expect("a line");
/// assert_eq!(line.gsi(), Gsi(11));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gsi(pub u32);

impl fmt::Display for Gsi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// An interrupt vector of one CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vector {
    cpu: u32,
    number: u8,
}

impl Vector {
    /// Returns vector `number` of the CPU with local APIC id `cpu`.
    #[must_use]
    pub const fn new(cpu: u32, number: u8) -> Self {
        Self { cpu, number }
    }

    /// Returns the local APIC id of its CPU.
    #[must_use]
    pub const fn cpu(self) -> u32 {
        self.cpu
    }

    /// Returns the vector number, 32 to 255; 0 in reports of handlers that have no vector.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.number
    }
}
