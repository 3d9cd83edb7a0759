//! Base address registers: kind, address and size of what they decode.

mod facts;
mod sizing;

pub use facts::{BarFacts, BarKind};

pub(crate) use sizing::{park, size_bars, write_bar};
