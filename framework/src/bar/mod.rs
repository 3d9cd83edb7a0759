//! Base address registers: kind, address and size of what they decode.

mod facts;
mod sizing;
mod virtual_functions;

pub use facts::{BarFacts, BarKind};

pub(crate) use sizing::{park, size_bars, write_bar};
pub(crate) use virtual_functions::SriovFacts;
