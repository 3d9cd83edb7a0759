//! From a function's pin to a line: the wire through the bridges, and who knows where it ends.

use core::fmt;

use super::Gsi;
use crate::config::{Address, Pin};

/// There are no more buses than this, so no more bridges above a function.
const BUSES: usize = 256;

/// A function's pin as it arrives on the root bus, where chipsets and firmware route it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wire {
    /// The device on the root bus: the function itself, or the topmost bridge above it.
    pub device: Address,
    /// The pin of that device that the wire is.
    pub pin: Pin,
}

impl Wire {
    /// Follows `pin` of `function` up to the root bus. Each bridge turns the pins of what is behind it by their
    /// device numbers, so that they share its own four evenly (PCI-to-PCI bridge 1.2, 9.1; PCI Express base 4.0,
    /// 2.2.8.1). `bridge_above` is the bridge that a function is behind.
    ///
    /// # Errors
    /// [`RouteError::Circle`] when the bridges lead to no root bus.
    pub fn follow(
        function: Address,
        pin: Pin,
        bridge_above: impl Fn(Address) -> Option<Address>,
    ) -> Result<Self, RouteError> {
        let mut wire = Self { device: function, pin };
        for _ in 0..BUSES {
            let Some(bridge) = bridge_above(wire.device) else { return Ok(wire) };
            wire = Self { device: bridge, pin: wire.pin.turned_by(wire.device.device()) };
        }
        Err(RouteError::Circle { function })
    }
}

/// As `INTB of 0000:00:1c.0`.
impl fmt::Display for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.pin, self.device)
    }
}

/// A line, and who said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The global system interrupt: an I/O APIC input.
    pub gsi: Gsi,
    /// Where the knowledge came from; shown in the boot table.
    pub source: RouteSource,
}

/// Who knew the route of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteSource {
    /// Firmware's Interrupt Line register, through the MADT's overrides.
    InterruptLine,
    /// Knowledge of the chipset, and what its registers say.
    Chipset,
    /// A fake machine's table.
    Fake,
}

/// In one word.
impl fmt::Display for RouteSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::InterruptLine => "firmware",
            Self::Chipset => "chipset",
            Self::Fake => "fake",
        })
    }
}

/// What the chipset makes of a wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChipsetAnswer {
    /// It ends at this line.
    Line(Gsi),
    /// It ends at this input of the interrupt controllers of old; the MADT says which line that is.
    Isa(u8),
    /// No chipset of this host bridge is known.
    Unknown {
        /// Vendor ID.
        vendor: u16,
        /// Device ID.
        device: u16,
    },
    /// The chipset is known, but not what it does with wires of that device.
    UnknownWiring {
        /// The device on a root bus.
        device: Address,
    },
    /// One of several expander bridges leads to that root bus. They route differently, and do not tell which it is.
    Ambiguous {
        /// How many there are.
        expanders: usize,
    },
    /// The chipset has connected the wire to nothing.
    Disconnected {
        /// The routing register, in the configuration space of the ISA bridge.
        register: u16,
        /// What it holds.
        value: u8,
    },
}

impl fmt::Display for ChipsetAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(gsi) => write!(f, "the chipset leads to GSI {gsi}"),
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

/// Why a line has no route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RouteError {
    /// The function drives no pin.
    #[error("the function drives no pin")]
    NoPin,
    /// The bridges above the function are said to be behind each other.
    #[error("the bridges above {function} lead in a circle")]
    Circle {
        /// The function.
        function: Address,
    },
    /// Nobody knows where the wire ends, or it ends where no I/O APIC listens.
    #[error(
        "no route for {wire}: {chipset}; firmware's Interrupt Line is {interrupt_line}; the I/O APICs have {inputs} inputs"
    )]
    NotRouted {
        /// The wire.
        wire: Wire,
        /// What the chipset makes of it.
        chipset: ChipsetAnswer,
        /// What firmware left in the function's Interrupt Line register; 0 and 255 mean none.
        interrupt_line: u8,
        /// How many lines there are.
        inputs: usize,
    },
    /// No I/O APIC serves that number.
    #[error("no I/O APIC has an input for GSI {gsi}")]
    NoSuchGsi {
        /// The number that was wanted.
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
    fn on_the_root_bus_the_pin_is_its_own() {
        let wire = Wire::follow(at(0, 7), Pin::C, |_| None);
        assert_eq!(wire, Ok(Wire { device: at(0, 7), pin: Pin::C }));
    }

    /// The values that QEMU's lines show for these two, pin A each.
    #[test]
    fn each_bridge_turns_the_pin() {
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
