//! Memory that a function reads and writes by itself.
//!
//! A [`DmaBuffer`] knows its bus address and owns its memory. Giving that address to a device is safe because
//! of where the memory goes afterwards: back to a pool of the same function, and to the machine only once the
//! function no longer masters the bus. A driver that drops a buffer too early can spoil its own data, nobody
//! else's memory. Without an IOMMU, a device that writes where it was not told to is not held back by anything.

mod block;
mod buffer;
mod pool;
mod shared;
mod span;

pub use block::DmaBlock;
pub use buffer::DmaBuffer;
pub use pool::{BusAddress, DmaError, DmaPort};
pub use shared::{DmaRegion, DmaShared};

pub(crate) use pool::Pool;
