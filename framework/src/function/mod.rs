//! Functions: found by the walk, claimed by a driver, taken apart into resources that each move out once.

mod assignment;
mod bus;
mod claim;
mod claimed;
mod inventory;
mod numbering;
mod port;
mod power;
mod presence;
mod record;
mod refusal;
mod reset;
mod saved;
mod scan;
mod settle;
mod silence;
mod slot;
mod space;
mod table;
mod walk;

pub use bus::BusPort;
pub use claim::{ClaimError, Function, Resources};
pub use inventory::{FunctionReport, Inventory};
pub use port::{PortResources, SecondaryBus};
pub use power::{PowerState, SuspendError, Suspended};
pub use presence::{Gone, Presence};
pub use record::State;
pub use refusal::{Reason, Refusal};
pub use reset::{ResetError, ResetMethod};
pub use saved::BarLost;
pub use settle::{SettleError, Settled, Settling};
pub use slot::{Completion, Indicator, Slot, SlotCommand, SlotEvents, SlotSignals};
pub use space::Config;

pub(crate) use claimed::Claimed;
