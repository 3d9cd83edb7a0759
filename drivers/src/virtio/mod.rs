//! Virtio 1 over PCI: the transport, its queues, and the drivers on them.
//!
//! Section numbers are those of the specification, version 1.2. Transitional devices are driven by their modern
//! interface; devices that have the legacy one only are refused.

mod doorbell;
pub mod queue;
mod registers;
mod signals;
mod structures;
mod transport;

pub use registers::Cause;
pub use signals::Signals;
pub use transport::{Running, Setup, Transport};

/// Red Hat, whose vendor ID all virtio devices bear (4.1.2).
const VENDOR: u16 = 0x1af4;
