//! A small evaluator of ACPI machine language (AML) for interrupt routing: `_PRT`, `_CRS` of link devices, `_STA`, and the
//! methods that they call (ACPI 6.5, chapters 19 and 20).
//!
//! Firmware is not trusted: terms, memory and depth are bounded, and where an evaluation ends, the [`AmlError`] has the
//! opcode and its position. An error in the code of a table ends only the scope or device that it is in. Nothing is
//! written to hardware: stores in fields of regions are dropped. Fields of memory and of PCI configuration are read, by a
//! [`Hardware`]; those of I/O ports and of other spaces are not.
//!
//! ```
//! use switchboard_aml::{Function, Hardware, PciRoute, pci_routing};
//!
//! #[derive(Debug)]
//! struct NoFields;
//!
//! impl Hardware for NoFields {
//!     fn read_memory(&self, _address: u64, _bytes: u8) -> Option<u64> {
//!         None
//!     }
//!
//!     fn read_config(&self, _function: Function, _offset: u16, _bytes: u8) -> Option<u64> {
//!         None
//!     }
//! }
//!
//! // Device (\_SB.PCI0) {
//! //     Name (_HID, EisaId ("PNP0A03"))
//! //     Name (_PRT, Package () { Package () { 0x0003FFFF, 1, Zero, 17 } })
//! // }
//! let code = b"\x5b\x82\x29\\\x2e_SB_PCI0\x08_HID\x0c\x41\xd0\x0a\x03\
//!     \x08_PRT\x12\x0e\x01\x12\x0b\x04\x0c\xff\xff\x03\x00\x01\x00\x0a\x11";
//! let dsdt = [&b"DSDT"[..], &[0; 4], &[2], &[0; 27], code].concat();
//! let routing = pci_routing(&[&dsdt], &NoFields);
//! assert_eq!(routing.errors, []);
//! assert_eq!(routing.routes, [PciRoute { segment: 0, bus: 0, device: 3, pin: 1, gsi: 17 }]);
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod error;
mod hotplug;
mod integer;
mod interpreter;
mod namespace;
mod path;
mod reader;
mod resources;
mod routing;
mod value;

use core::fmt;

pub use error::{AmlError, Place, Reason};
pub use hotplug::{HotplugBus, PciHotplug};
pub use routing::{PciRoute, PciRouting};

use interpreter::Interpreter;
use reader::Reader;

/// Errors that are kept.
const MAX_ERRORS: usize = 16;
/// The header of a table, and its revision (ACPI 6.5, 5.2.6).
const HEADER_BYTES: usize = 36;
const REVISION: usize = 8;

/// A PCI function, in whose configuration space a region is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Function {
    /// The segment.
    pub segment: u16,
    /// The bus.
    pub bus: u8,
    /// The device on the bus.
    pub device: u8,
    /// The function of the device.
    pub function: u8,
}

/// Where fields are read from.
pub trait Hardware: fmt::Debug {
    /// Reads 1, 2, 4 or 8 bytes of physical memory, aligned or not. Returns `None` where nothing is to be read.
    fn read_memory(&self, address: u64, bytes: u8) -> Option<u64>;

    /// Reads 1, 2, 4 or 8 bytes of a configuration space, aligned or not. Returns `None` where nothing is to be read.
    fn read_config(&self, function: Function, offset: u16, bytes: u8) -> Option<u64>;
}

/// Evaluates the interrupt routing of all root bridges, with I/O APICs in use. `tables` are the DSDT and then all SSDTs,
/// each with its header; their checksums are not checked here.
#[must_use]
pub fn pci_routing(tables: &[&[u8]], hardware: &dyn Hardware) -> PciRouting {
    routing::evaluate(&mut loaded(tables, hardware))
}

/// Finds the registers of hot-plug by ACPI, as QEMU's machines have them. Returns `None` where there are none. `tables` are as for
/// [`pci_routing`].
#[must_use]
pub fn pci_hotplug(tables: &[&[u8]], hardware: &dyn Hardware) -> Option<PciHotplug> {
    hotplug::find(&mut loaded(tables, hardware))
}

fn loaded<'a>(tables: &[&[u8]], hardware: &'a dyn Hardware) -> Interpreter<'a> {
    let revision = tables.first().and_then(|dsdt| dsdt.get(REVISION)).copied().unwrap_or(0);
    let mut interpreter = Interpreter::new(hardware, revision >= 2);
    for table in tables {
        interpreter.load(Reader::new((*table).into(), HEADER_BYTES));
    }
    interpreter
}
