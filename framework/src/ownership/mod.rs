//! The owner of a function, and what all parts of a claimed function share.

mod claimed;
mod pool;
mod presence;
mod taken;

pub use presence::{Gone, Presence};

pub(crate) use claimed::Claimed;
pub(crate) use presence::{RETRY_VENDOR_ID, ResetInProgress};
pub(crate) use taken::Taken;
