//! The size of a queue, and the addresses of its parts.

use switchboard::dma::BusAddress;

#[cfg(doc)]
use super::MAX_SEGMENTS;

/// The size of a queue.
#[derive(Debug, Clone, Copy)]
pub struct QueueParameters {
    /// The number of descriptors: a power of two, up to 32,768.
    pub size: u16,
    /// The most segments of one chain: 1 to [`MAX_SEGMENTS`].
    pub max_segments: u16,
}

/// The addresses of the parts of a queue.
#[derive(Debug, Clone, Copy)]
pub struct QueueAddresses {
    /// The descriptor table.
    pub descriptors: BusAddress,
    /// The available ring ("driver area").
    pub available: BusAddress,
    /// The used ring ("device area").
    pub used: BusAddress,
}
