//! The interrupt vectors of a CPU: allocation, handlers, counters, and the lines that use them.

mod activity;
mod counters;
mod fault;
mod lines;
pub(crate) mod slot;
mod storm;
mod table;
mod watch;

pub use activity::Activity;
pub use counters::InterruptReport;
pub use fault::Fault;
pub use slot::Claim;
pub use table::{VectorTable, VectorsExhausted};

pub(crate) use counters::{InterruptCounters, ShowActivity};
pub(crate) use lines::{LineState, LineTable, Sharer};
pub(crate) use slot::{HandlerBox, ServeInterrupt};
pub(crate) use storm::StormDetector;
pub(crate) use table::VectorBlock;
pub(crate) use watch::{LOOK_INTERVAL_NS, WatchEvent};
