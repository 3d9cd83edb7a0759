//! Virtio 1 over PCI: the transport, its queues, and the drivers on them.
//!
//! Section numbers are those of the specification, version 1.2. Transitional devices are driven by their modern
//! interface; devices that have the legacy one only are refused.

pub mod blk;
mod device;
mod doorbell;
mod interrupt_status;
pub mod net;
pub mod queue;
mod registers;
pub mod rng;
mod structures;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod transport;

use bitflags::bitflags;

pub use blk::VirtioBlk;
pub use interrupt_status::InterruptStatus;
pub use net::VirtioNet;
pub use registers::InterruptCause;
pub use rng::VirtioRng;
pub use transport::{Running, Setup, Transport};

/// Red Hat, whose vendor ID all virtio devices bear (4.1.2).
const VENDOR: u16 = 0x1af4;

bitflags! {
    /// The features of devices that have none of their own.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) struct NoFeatures: u64 {}
}
