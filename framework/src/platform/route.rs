//! Routing of INTx: from a function's pin through the bridges above it to a line.

use core::fmt;

use super::Gsi;
use crate::config::{Address, Pin};

/// The number of buses, which bounds the number of bridges above a function.
const BUSES: usize = 256;

/// An INTx wire on the root bus, where chipset and firmware route it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wire {
    /// The device on the root bus: the function itself, or the topmost bridge above it.
    pub device: Address,
    /// The pin of that device.
    pub pin: Pin,
}

impl Wire {
    /// Follows `pin` of `function` up to the root bus. Each bridge rotates the pins of the devices behind it by their
    /// device numbers, which distributes them over its own four (PCI-to-PCI bridge 1.2, 9.1; PCI Express base 4.0,
    /// 2.2.8.1). `bridge_above` returns the bridge in front of a function, or `None` on the root bus.
    ///
    /// # Errors
    /// [`RouteError::Circle`] when the bridges lead to no root bus.
    ///
    /// ```
    /// use switchboard::config::{Address, Pin};
    /// use switchboard::platform::{RouteError, Wire};
    ///
    /// // Device 2 on bus 1, behind the root port 00:1c.0.
    /// let (function, port) = (Address::new(0, 1, 2, 0), Address::new(0, 0, 0x1c, 0));
    /// let bridge_above = |function: Address| (function.bus() == 1).then_some(port);
    /// let wire = Wire::follow(function, Pin::A, bridge_above)?;
    /// assert_eq!(wire, Wire { device: port, pin: Pin::C });
    /// assert_eq!(wire.to_string(), "INTC of 0000:00:1c.0");
    /// # Ok::<(), RouteError>(())
    /// ```
    pub fn follow(
        function: Address,
        pin: Pin,
        bridge_above: impl Fn(Address) -> Option<Address>,
    ) -> Result<Self, RouteError> {
        Self::follow_while(function, pin, |wire| bridge_above(wire.device))
    }

    /// As [`follow`](Self::follow), up to a wire for which `next` returns no bridge.
    pub(crate) fn follow_while(
        function: Address,
        pin: Pin,
        mut next: impl FnMut(Self) -> Option<Address>,
    ) -> Result<Self, RouteError> {
        let mut wire = Self { device: function, pin };
        for _ in 0..BUSES {
            let Some(bridge) = next(wire) else { return Ok(wire) };
            wire = Self { device: bridge, pin: wire.pin.turned_by(wire.device.device()) };
        }
        Err(RouteError::Circle { function })
    }
}

/// Writes `INTB of 0000:00:1c.0`.
impl fmt::Display for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.pin, self.device)
    }
}

/// The route of a wire: the line that it ends at, and the source of that knowledge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The global system interrupt: an I/O APIC input.
    pub gsi: Gsi,
    /// The source, shown in the boot table.
    pub source: RouteSource,
}

/// The source of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteSource {
    /// Interrupt Line, which firmware wrote, through the MADT's overrides.
    InterruptLine,
    /// The chipset's routing registers.
    Chipset,
    /// The `_PRT` of the root bridge, in ACPI tables.
    Acpi,
    /// An option of the command line, for a board whose routing is not known or wrong.
    Option,
    /// The MP table of a machine without ACPI.
    MpTable,
    /// The table of a fake machine.
    Fake,
}

/// Writes one word: `firmware`, `chipset`, `acpi`, `option`, `mptable` or `fake`.
impl fmt::Display for RouteSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::InterruptLine => "firmware",
            Self::Chipset => "chipset",
            Self::Acpi => "acpi",
            Self::Option => "option",
            Self::MpTable => "mptable",
            Self::Fake => "fake",
        })
    }
}

/// The route of a wire by the chipset's registers, or by firmware's tables where the chipset is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChipsetAnswer {
    /// The wire ends at this line.
    Line(Gsi),
    /// The wire ends at this line by the `_PRT` of its root bridge.
    Acpi(Gsi),
    /// The wire ends at this line by the MP table.
    MpTable(Gsi),
    /// The wire ends at this input of the 8259 pair; the MADT maps it to a line.
    Isa(u8),
    /// There is no routing code for the chipset of this host bridge.
    Unknown {
        /// Vendor ID.
        vendor: u16,
        /// Device ID.
        device: u16,
    },
    /// The chipset is known, but not how it routes wires of this device.
    UnknownWiring {
        /// The device on a root bus.
        device: Address,
    },
    /// One of several expander bridges leads to that root bus. They route differently, and no register shows which one it is.
    Ambiguous {
        /// The number of expander bridges.
        expanders: usize,
    },
    /// The chipset does not connect the wire.
    Disconnected {
        /// The routing register, in the configuration space of the ISA bridge.
        register: u16,
        /// Its value.
        value: u8,
    },
}

impl fmt::Display for ChipsetAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(gsi) => write!(f, "the chipset leads to GSI {gsi}"),
            Self::Acpi(gsi) => write!(f, "ACPI's _PRT leads to GSI {gsi}"),
            Self::MpTable(gsi) => write!(f, "the MP table leads to GSI {gsi}"),
            Self::Isa(input) => write!(f, "the chipset leads to ISA interrupt {input}"),
            Self::Unknown { vendor, device } => {
                write!(f, "no chipset of a host bridge {vendor:04x}:{device:04x} is known")
            }
            Self::UnknownWiring { device } => write!(f, "nothing is known of the chipset's wires at {device}"),
            Self::Ambiguous { expanders } => {
                write!(f, "which of {expanders} expander bridges it came through is not known")
            }
            Self::Disconnected { register, value } => {
                write!(f, "the chipset's register {register:#x} is {value:#04x}, which connects nothing")
            }
        }
    }
}

/// Why a function has no line.
///
/// ```
/// use switchboard::interrupt::{GrantError, LineIsr, RouteError};
/// # use switchboard::interrupt::{Claim, InIsr};
/// use switchboard_testing::{FakeFunction, FakeMachine};
/// # struct Handler;
/// # impl LineIsr for Handler {
/// #     fn on_line(&self, _: &InIsr<'_>) -> Claim {
/// #         Claim::NotMine
/// #     }
/// # }
///
/// // Interrupt Line 255: firmware has routed the pin nowhere.
/// let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8).pin(1, 0xff)]);
/// let resources = fake.machine().take_all().remove(0).claim().expect("an endpoint");
/// let Err((GrantError::Route(error), _port)) = resources.irq.grant_line::<Handler>() else { panic!("it was granted") };
/// assert!(matches!(error, RouteError::NotRouted { interrupt_line: 255, .. }));
/// assert!(error.to_string().starts_with("no route for INTA of 0000:00:01.0"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RouteError {
    /// The function drives no pin.
    #[error("the function drives no pin")]
    NoPin,
    /// By their bus numbers, the bridges above the function are behind each other.
    #[error("the bridges above {function} lead in a circle")]
    Circle {
        /// The function.
        function: Address,
    },
    /// Neither chipset nor firmware has a route for the wire, or it ends at no input of an I/O APIC.
    #[error(
        "no route for {wire}: {chipset}; firmware's Interrupt Line is {interrupt_line}; the I/O APICs have {inputs} inputs"
    )]
    NotRouted {
        /// The wire.
        wire: Wire,
        /// The route by the chipset's registers or by firmware's tables.
        chipset: ChipsetAnswer,
        /// The function's Interrupt Line register; 0 and 255 mean none.
        interrupt_line: u8,
        /// The number of inputs of all I/O APICs.
        inputs: usize,
    },
    /// No I/O APIC has an input with that number.
    #[error("no I/O APIC has an input for GSI {gsi}")]
    NoSuchGsi {
        /// The number.
        gsi: u32,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(bus: u8, device: u8) -> Address {
        Address::new(0, bus, device, 0)
    }

    #[test]
    fn on_the_root_bus_the_pin_is_not_rotated() {
        let wire = Wire::follow(at(0, 7), Pin::C, |_| None);
        assert_eq!(wire, Ok(Wire { device: at(0, 7), pin: Pin::C }));
    }

    /// The values are those of QEMU's lines for these two, pin A each.
    #[test]
    fn each_bridge_rotates_the_pin() {
        // A switch: root port 00:05.0, upstream port 01:00.0, downstream port 02:02.0, the function on bus 3.
        let switch =
            |function: Address| [None, Some(at(0, 5)), Some(at(1, 0)), Some(at(2, 2))][usize::from(function.bus())];
        assert_eq!(Wire::follow(at(3, 0), Pin::A, switch), Ok(Wire { device: at(0, 5), pin: Pin::C }));
        // Root port 00:06.0, bridges 01:00.0 and 02:03.0, the function 03:07.0.
        let nested =
            |function: Address| [None, Some(at(0, 6)), Some(at(1, 0)), Some(at(2, 3))][usize::from(function.bus())];
        assert_eq!(Wire::follow(at(3, 7), Pin::A, nested), Ok(Wire { device: at(0, 6), pin: Pin::C }));
    }

    #[test]
    fn bridges_behind_each_other_are_an_error() {
        let circle = |function: Address| Some(at(3 - function.bus(), 1));
        assert_eq!(Wire::follow(at(1, 0), Pin::A, circle), Err(RouteError::Circle { function: at(1, 0) }));
    }
}
