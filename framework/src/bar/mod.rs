//! Base address registers: their size, and mapped windows into what they decode.

mod register;
mod sizing;
mod slot;
mod window;

pub use register::{ReadOnly, ReadWrite, Readable, Reg, RegisterBlock, RegisterValue, Writable, WriteOnly};
pub use sizing::{BarFacts, BarKind};
pub use slot::{Bar, BarSlot, MapError, Windows};

pub(crate) use sizing::{read_bars, write_bar};
pub(crate) use window::Window;
