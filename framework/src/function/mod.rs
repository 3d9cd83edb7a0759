//! Functions: claimed by a driver, split into their resources, and suspended or reset while they have no driver.

mod bus;
mod claim;
mod config;
mod details;
mod handle;
mod port;
mod power;
mod sriov;

pub use bus::BusPort;
pub use claim::{ClaimError, Resources};
pub use config::Config;
pub use details::Details;
pub use handle::Function;
pub use port::{
    CommandCompletion, HotPlugSlot, IndicatorState, PortResources, SecondaryBus, SlotCommand, SlotEventSource,
    SlotEvents,
};
pub use power::{
    BarNotRestored, PowerState, ResetError, ResetMethod, SettleError, Settled, Settling, SuspendError, Suspended,
};
pub use sriov::{EnableError, InUse, LentDriver, SriovPort, VirtualFunction, VirtualFunctions};

pub use crate::config::{Refusal, RefusalReason};
pub use crate::inventory::{FunctionReport, FunctionState};
pub use crate::ownership::{Gone, Presence};
pub use crate::vector::Fault;
