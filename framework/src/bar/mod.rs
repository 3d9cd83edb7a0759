//! Base address registers: their size, and mapped windows into what they decode.

mod address;
mod facts;
mod register;
mod sizing;
mod slot;
mod window;

pub use address::{AddressPair, AddressReg};
pub use facts::{BarFacts, BarKind};
pub use register::{ReadOnly, ReadWrite, Readable, Reg, RegisterBlock, RegisterValue, Writable, WriteOnly};
pub use slot::{Bar, BarSlot, MapError, Windows};

pub(crate) use sizing::{size_bars, write_bar};
pub(crate) use slot::locate;
pub(crate) use window::Window;
