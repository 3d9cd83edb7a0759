//! Functions: found by the walk, claimed by a driver, taken apart into resources that each move out once.

mod claim;
mod inventory;
mod presence;
mod record;
mod silence;
mod walk;

pub use claim::{ClaimError, Config, Function, Resources};
pub use inventory::{FunctionReport, Inventory};
pub use presence::{Gone, Presence};
pub use record::State;

pub(crate) use claim::Claimed;
