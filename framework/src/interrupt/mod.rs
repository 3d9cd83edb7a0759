//! Lines and messages, typed: who may be called for what.
//!
//! A function's [`InterruptPort`] is granted as [`Interrupts`]: a [`Line`] or [`Messages`]. Either goes through
//! the same three states: [`Granted`], then [`Masked`] once a context is registered, then [`Live`]. Dropping it
//! in any state masks the source, waits for handlers that run, frees the vectors, and drops the context.

mod breaker;
mod exclusive;
mod grant;
mod interrupts;
mod isr;
mod line;
mod lines;
mod mask;
mod messages;
mod mode;
mod msi;
mod msix;
mod port;
mod route;
mod row;
mod slot;
mod vectors;

pub use exclusive::{Each, Exclusive, LineRoutine, MessageRoutine, RoutineTuple, Routines};
pub use interrupts::{Either, Granted, Interrupts, Live, Masked, TheMessage};
pub use isr::{Claim, InIsr, LineIsr, MessageIsr, MessageSet};
pub use line::Line;
pub use mask::MessageMask;
pub use messages::{Messages, MsixMessages};
pub use mode::{Gsi, Mode, ModePolicy, Pin, Vector};
pub use port::{GrantError, InterruptPort, Offers, Permitted};
pub use route::{ChipsetAnswer, Route, RouteError, RouteSource, Wire};
pub use row::InterruptRow;
pub use vectors::{VectorBlock, VectorTable, VectorsExhausted};

pub(crate) use slot::{Bound, Serve, Slot};
