//! Functions: found by the walk, claimed by a driver, taken apart into resources that each move out once.

mod claim;
mod inventory;
mod port;
mod presence;
mod record;
mod silence;
mod slot;
mod walk;

pub use claim::{ClaimError, Config, Function, Resources};
pub use inventory::{FunctionReport, Inventory};
pub use port::{PortResources, SecondaryBus};
pub use presence::{Gone, Presence};
pub use record::State;
pub use slot::{Completion, Indicator, Slot, SlotCommand, SlotEvents, SlotSignals};

pub(crate) use claim::Claimed;
