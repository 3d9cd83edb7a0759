//! Functions: found by the walk, claimed by a driver, taken apart into resources that each move out once.

mod assignment;
mod claim;
mod inventory;
mod numbering;
mod port;
mod presence;
mod record;
mod scan;
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
