//! DMA memory: memory that a function reads and writes as a bus master.
//!
//! A [`DmaPort`] allocates. A [`DmaBuffer`] is owned by the driver or by the device, never by both (streaming DMA); a
//! [`DmaShared`] is accessed by both at the same time (DMA-coherent memory: descriptor rings).
//!
//! Passing the address of a buffer to a device is safe, because of what happens when the buffer is dropped: its memory goes
//! back to a pool of the same function, and to the machine only after bus mastering of the function was turned off. A driver
//! that drops a buffer too early can corrupt its own data and no other memory.
//!
//! A [`BusAddress`] is made only by the framework, and only from memory of the function: by [`DmaBuffer::bus`] and
//! [`bus_at`](DmaBuffer::bus_at), and by [`DmaShared::bus`] and [`bus_of`](DmaShared::bus_of), which check their
//! bounds. Fields of descriptors and [address registers](crate::mmio::AddressReg) take it by type, so an integer, a pointer
//! or bytes that a device wrote do not become an address by mistake.
//!
//! # What needs an IOMMU
//! Types cannot confine a device to the addresses that it was given. A driver can write an arbitrary number to a register that
//! it declared as a plain [`Reg`](crate::mmio::Reg), or put one into a structure of integers or into a buffer that the device
//! interprets as a descriptor. A device can be broken or malicious. In each case it can read and write any memory below its
//! address limit while it masters the bus, and the CPU does not notice. Only an IOMMU that maps for each function the blocks
//! allocated to it, and nothing else, closes this. Until there is one, bus mastering is off for every function without a
//! driver, and [`BusPort::isolate`](crate::function::BusPort::isolate) turns it off for a device that misbehaved.

mod address;
mod buffer;
mod pages;
mod port;
mod reader;
mod shared;
mod span;

pub use address::BusAddress;
pub use buffer::DmaBuffer;
pub use port::{DmaError, DmaPort};
pub use reader::DmaReader;
pub use shared::{DmaRegion, DmaShared};
