//! The seam between the PCI core and the machine below it: the traits that a machine implements, and their types.
//!
//! A driver uses only [`Clock`]. The other traits are implemented by the crates that build a [`Machine`](crate::machine::Machine):
//! `switchboard-x86-64` (hardware) and `switchboard-testing` (a machine made of memory).

mod clock;
mod controller;
mod dma_block;
mod ecam;
mod hotplug;
mod memory;
mod mode;
mod route;

pub use clock::Clock;
pub use controller::{InterruptController, MessageTarget};
pub use dma_block::DmaBlock;
pub use ecam::{Ecam, EcamRegion};
pub use hotplug::{HotplugBus, HotplugChange, HotplugController};
pub use memory::{Mapping, Memory, MemoryError, RegisterAccess};
pub use mode::{Gsi, Mode, ModePolicy, Offers, PermittedModes, Vector};
pub use route::{ChipsetAnswer, Route, RouteError, RouteSource, Wire};
