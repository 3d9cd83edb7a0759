//! Power states and resets: a function that has no driver can be suspended or reset (PCI Power Management 1.2, chapter 5).
//!
//! A function in D3hot is [`Suspended`], a type without registers. It comes back as [`Settling`], and that as a
//! [`Function`](crate::function::Function) in D0. Claiming a function wakes it if firmware left it in D3hot.

mod reset;
mod saved;
mod settle;
mod state;
mod suspend;

pub use reset::{ResetError, ResetMethod};
pub use saved::BarNotRestored;
pub use settle::{SettleError, Settled, Settling};
pub use state::PowerState;
pub use suspend::{SuspendError, Suspended};

pub(super) use saved::restore_bars;
