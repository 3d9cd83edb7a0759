//! What Intel's gigabit cards have in common: registers, rings of descriptors, and their handlers. Each family has
//! a driver of its own ([`e1000`](crate::e1000), [`e1000e`](crate::e1000e), [`igb`](crate::igb)), with its reset, its interrupts and the
//! [layout](descriptors::Layout) of its descriptors.
//!
//! Section numbers here are those of Intel's PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual
//! (317453); later cards kept what is here.

pub(crate) mod card;
pub(crate) mod descriptors;
pub(crate) mod mac;
pub(crate) mod registers;
pub(crate) mod rx_ring;
pub(crate) mod shared;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod tx_ring;

/// The size of a receive buffer as set in `RCTL`. Transmit buffers have the same size.
pub(crate) const BUFFER_BYTES: usize = 2048;
