//! Memory that a function reads and writes by itself.
//!
//! A [`DmaBuffer`] owns its memory and has its bus address. Giving that address to a device is safe because of where
//! the memory goes afterwards: back to a pool of the same function, and to the machine only once the function no longer
//! masters the bus. A driver that drops a buffer too early can corrupt its own data, and no other memory.
//!
//! A [`BusAddress`] is made only by the framework, and only from memory of the function: by [`DmaBuffer::bus`] and
//! [`bus_at`](DmaBuffer::bus_at), and by [`DmaShared::bus`] and [`bus_of`](DmaShared::bus_of), which check their
//! bounds. Fields of descriptors and [address registers](crate::mmio::AddressReg) take it by type, so an integer, a pointer
//! or bytes that a device wrote do not become an address by mistake.
//!
//! # What needs an IOMMU
//! Types cannot hold a device to the addresses that it was given. A driver can write a made-up number to a register that it
//! declared as a plain [`Reg`](crate::mmio::Reg), or put one into a structure of integers or into a buffer that the device
//! takes for a descriptor; a device can ignore what it was given, be broken, or be malicious. Either way it then reads and
//! writes any memory below its address limit while it masters the bus, and nothing on the CPU's side sees it. Only an
//! IOMMU that maps for each function the blocks lent to it, and nothing else, closes this. Until there is one, the defence
//! is that bus mastering is off unless a driver has the function, and that
//! [`BusPort`](crate::function::BusPort) takes it away from a device that was caught.

mod address;
mod buffer;
mod pages;
mod port;
mod shared;
mod span;

pub use address::BusAddress;
pub use buffer::DmaBuffer;
pub use port::{DmaError, DmaPort};
pub use shared::{DmaRegion, DmaShared};
