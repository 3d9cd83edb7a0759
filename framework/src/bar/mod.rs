//! Base address registers: what they decode, and how large that is.

mod facts;
mod sizing;

pub use facts::{BarFacts, BarKind};

pub(crate) use sizing::{park, size_bars, write_bar};
