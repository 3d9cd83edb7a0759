//! Memory-mapped registers: typed places in a BAR, and mapped windows into it.

mod address;
mod bar;
mod register;
mod window;

pub use address::{AddressPair, AddressReg};
pub use bar::{Bar, BarWindows, MapError, UnmappedBar};
pub use register::{ReadOnly, ReadWrite, Readable, Reg, RegisterBlock, RegisterValue, Writable, WriteOnly};

pub(crate) use bar::locate;
pub(crate) use window::RegisterWindow;
