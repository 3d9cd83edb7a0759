//! The interrupt vectors of the CPUs: allocation, handlers, counters, and the lines that use them.

mod activity;
mod block;
mod counters;
mod cpu;
mod fault;
mod handlers;
mod lines;
pub(crate) mod slot;
mod storm;
mod table;
mod watch;

pub use activity::Activity;
pub use counters::InterruptReport;
pub use cpu::Cpu;
pub use fault::Fault;
pub use slot::Claim;
pub use table::{VectorTable, VectorsExhausted};

pub(crate) use block::VectorBlock;
pub(crate) use counters::{InterruptCounters, ShowActivity};
pub(crate) use cpu::{Cpus, Placement};
pub(crate) use handlers::Handlers;
pub(crate) use lines::{LineState, LineTable, Sharer};
pub(crate) use slot::{HandlerBox, ServeInterrupt, VectorSlot};
pub(crate) use storm::StormDetector;
pub(crate) use watch::{LOOK_INTERVAL_NS, WatchEvent};
