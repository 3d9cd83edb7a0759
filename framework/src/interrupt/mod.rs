//! Interrupts of a function: a line (INTx) or messages (MSI, MSI-X), which are different types with different handlers.
//!
//! An [`InterruptPort`] grants [`Interrupts`]: a [`Line`] or [`Messages`]. Each goes through three states: [`Granted`], then
//! [`Masked`] once a context is registered, then [`Live`]. Dropping it in any state masks the source, waits for handlers that
//! run, frees the vectors, and drops the context.

mod error;
mod exclusive;
mod grant;
mod interrupts;
mod isr;
mod line;
mod line_grant;
mod lines;
mod mask;
mod messages;
mod msi;
mod msix;
mod per_cpu;
mod pinned;
mod port;
mod service;
mod state;
mod steer;
mod system_line;

pub use error::{GrantError, SteerError};
pub use exclusive::{Each, Exclusive, LineRoutine, MessageRoutine, RoutineTuple, Routines};
pub use interrupts::Interrupts;
pub use isr::{InIsr, LineIsr, MessageIsr, MessageSet};
pub use line::Line;
pub use mask::MessageMask;
pub use messages::{Messages, MsiMessages, MsixMessages};
pub use per_cpu::PerCpu;
pub use pinned::{PinnedIsr, PinnedMessages};
pub use port::InterruptPort;
pub use service::{LineAsMessage, ServiceMessage};
pub use state::{Granted, Live, Masked};
pub use system_line::SystemLine;

pub use crate::config::Pin;
pub use crate::platform::{
    ChipsetAnswer, Gsi, Mode, ModePolicy, Offers, PermittedModes, Route, RouteError, RouteSource, Vector, Wire,
};
pub use crate::vector::{Activity, Claim, Cpu, InterruptReport, VectorsExhausted};
