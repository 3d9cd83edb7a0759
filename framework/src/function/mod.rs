//! Functions: found by the scan, kept in the inventory, claimed by a driver, put to sleep or reset while nobody has them.

mod claim;
mod inventory;
mod port;
mod power;
mod scan;

pub use claim::{BusPort, ClaimError, Config, Function, Resources};
pub use inventory::{FunctionReport, Gone, Inventory, Presence, Reason, Refusal, State};
pub use port::{Completion, Indicator, PortResources, SecondaryBus, Slot, SlotCommand, SlotEvents, SlotSignals};
pub use power::{
    BarLost, PowerState, ResetError, ResetMethod, SettleError, Settled, Settling, SuspendError, Suspended,
};

pub(crate) use claim::Claimed;
