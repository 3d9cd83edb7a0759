//! Virtio 1 over PCI: the transport, its queues, and the drivers of network cards, disks and entropy sources.
//!
//! Section numbers are those of the specification, version 1.2. Transitional devices are driven by their modern interface;
//! devices with the legacy interface only are refused.
//!
//! A driver on the transport is a sequence of steps, each with a type of its own:
//!
//! ```
//! use switchboard::dma::DmaBuffer;
//! use switchboard::driver::ProbeError;
//! use switchboard::function::Function;
//! use switchboard_drivers::virtio::queue::{Queue, QueueParameters};
//! use switchboard_drivers::virtio::{Running, Transport};
//! # use switchboard_testing::{FakeFunction, FakeMachine};
//!
//! bitflags::bitflags! {
//!     /// The features of a hypothetical device that the driver can use.
//!     #[derive(Clone, Copy)]
//!     struct Features: u64 {
//!         const FAST = 1;
//!     }
//! }
//!
//! /// Brings a device up to DRIVER_OK, without interrupts. Dropping the `Running` resets it.
//! fn bring_up(function: Function) -> Result<(Running, Queue<DmaBuffer>), ProbeError> {
//!     let (transport, _irq, dma) = Transport::open(function)?;
//!     let (setup, features) = transport.negotiate(Features::all())?;
//!     assert!(features.contains(Features::FAST));
//!     let queue = setup.queue(0, &dma, QueueParameters { size: 64, max_segments: 1 }, None)?;
//!     Ok((setup.start(), queue))
//! }
//!
//! # let capability = |kind: u8, offset: u32, length: u32, multiplier: &[u8]| {
//! #     let mut body = vec![16 + multiplier.len() as u8, kind, 0, 0, 0, 0];
//! #     body.extend([offset, length].into_iter().flat_map(u32::to_le_bytes));
//! #     body.extend(multiplier);
//! #     body
//! # };
//! # let function = FakeFunction::new(0x1af4, 0x1050).bar(0, 0x4000).pin(1, 11);
//! # let function = function.capability(9, &capability(1, 0, 56, &[])).capability(9, &capability(3, 0x1000, 1, &[]));
//! # let function = function.capability(9, &capability(2, 0x3000, 0x1000, &[4, 0, 0, 0]));
//! # let fake = FakeMachine::new([function]);
//! # let function = fake.machine().take_all().remove(0);
//! # let address = function.address();
//! # let registers = [(4, 1), (16, 1 << 16), (24, 256)];
//! # registers.iter().for_each(|&(offset, value)| fake.write_register(address, 0, offset, value));
//! let (device, queue) = bring_up(function)?;
//! assert_eq!((queue.free(), device.needs_reset()), (64, false));
//! # Ok::<(), ProbeError>(())
//! ```

pub mod blk;
pub mod console;
mod device;
mod doorbell;
pub mod gpu;
pub mod input;
mod interrupt_status;
pub mod net;
pub mod queue;
mod registers;
mod request_handlers;
pub mod rng;
pub mod scsi;
pub mod share;
mod structures;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod transport;
pub mod vsock;

use bitflags::bitflags;

pub use blk::VirtioBlk;
pub use console::VirtioConsole;
pub use gpu::VirtioGpu;
pub use input::VirtioKeyboard;
pub use interrupt_status::InterruptStatus;
pub use net::VirtioNet;
pub use registers::InterruptCause;
pub use rng::VirtioRng;
pub use scsi::VirtioScsi;
pub use share::Virtio9p;
pub use transport::{Running, Setup, Transport};
pub use vsock::VirtioVsock;

/// The vendor ID of all virtio devices (4.1.2).
const VENDOR: u16 = 0x1af4;

bitflags! {
    /// The features of devices without features of their own.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) struct NoFeatures: u64 {}
}
