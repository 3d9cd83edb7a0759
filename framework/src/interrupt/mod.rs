//! Lines and messages, typed: who may be called for what.

mod isr;
mod mode;
mod slot;
mod vectors;

pub use isr::{Claim, InIsr, LineIsr, MessageIsr, MessageSet};
pub use mode::{Gsi, Mode, ModePolicy, Pin, Vector};
pub use vectors::{InterruptRow, VectorBlock, VectorTable, VectorsExhausted};

pub(crate) use slot::{Bound, Serve, Slot};
