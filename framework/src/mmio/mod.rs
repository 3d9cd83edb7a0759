//! Memory-mapped registers: typed registers, and the mapped part of a BAR that they are in.
//!
//! A driver declares each register as a constant ([`Reg`], [`AddressReg`], [`AddressPair`]) of a [`RegisterBlock`], maps an
//! [`UnmappedBar`] as that block, and reads and writes the registers of the [`Bar`] that it gets.

mod address;
mod bar;
mod error;
mod register;
mod window;

pub use address::{AddressPair, AddressReg};
pub use bar::{Bar, BarWindows, UnmappedBar};
pub use error::MapError;
pub use register::{ReadOnly, ReadWrite, Readable, Reg, RegisterBlock, RegisterValue, Writable, WriteOnly};

pub(crate) use bar::locate;
pub(crate) use window::RegisterWindow;
