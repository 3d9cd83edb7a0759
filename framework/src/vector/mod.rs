//! The interrupt vectors of a CPU: allocation, handlers, counters, and the lines that use them.

mod counters;
mod lines;
pub(crate) mod slot;
mod storm;
mod table;

pub use counters::InterruptReport;
pub use slot::Claim;
pub use table::{VectorTable, VectorsExhausted};

pub(crate) use counters::InterruptCounters;
pub(crate) use lines::{LineState, LineTable, Sharer};
pub(crate) use slot::{HandlerBox, ServeInterrupt};
pub(crate) use storm::StormDetector;
pub(crate) use table::VectorBlock;
