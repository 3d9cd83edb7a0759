//! Ownership of a function: taken once at a time, and shared by all resources of a claimed function.

mod claimed;
mod pool;
mod presence;
mod taken;

pub use presence::{Gone, Presence};

pub(crate) use claimed::Claimed;
pub(crate) use presence::{RETRY_VENDOR_ID, ResetInProgress};
pub(crate) use taken::Taken;
