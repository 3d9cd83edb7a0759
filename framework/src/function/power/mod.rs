//! Power states and resets of functions without a driver (PCI Power Management 1.2, chapter 5).
//!
//! A function in D3hot is a [`Suspended`], which has no registers. Resuming makes it a [`Settling`], and that becomes a
//! [`Function`](crate::function::Function) in D0 again. Claiming a function wakes it if firmware left it in a low-power state.

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
