//! Virtqueues: the protocol in shared memory, and the doorbell beside it.

mod descriptor;
#[cfg(test)]
mod model;
mod notifications;
mod rings;
mod split;
mod table;
#[cfg(test)]
mod tests;

use core::fmt;

use bitflags::bitflags;

pub use descriptor::{Chain, MAX_SEGMENTS, Segments};
pub use split::{QueueAddresses, QueueParameters, SplitQueue};

use super::doorbell::Doorbell;

bitflags! {
    /// What queues of a device may make use of (virtio 1.2, 6).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct RingFeatures: u64 {
        /// `VIRTIO_F_INDIRECT_DESC`: a descriptor may stand for a table of them.
        const INDIRECT = 1 << 28;
        /// `VIRTIO_F_EVENT_IDX`: each side sets the index at which the other notifies it.
        const EVENT_INDEX = 1 << 29;
    }
}

/// A virtqueue of a live device.
pub struct Queue<C> {
    split: SplitQueue<C>,
    doorbell: Doorbell,
    kicks: u64,
}

impl<C: Chain> Queue<C> {
    pub(super) fn new(split: SplitQueue<C>, doorbell: Doorbell) -> Self {
        Self { split, doorbell, kicks: 0 }
    }

    /// Kicks the device if it wants to be, for everything submitted so far. To be called before going to sleep on
    /// what was submitted; calling it once for many chains saves most of the kicks.
    pub fn kick(&mut self) {
        if self.split.needs_kick() {
            self.doorbell.ring();
            self.kicks += 1;
        }
    }

    /// Kicks that were needed.
    #[must_use]
    pub fn kicks(&self) -> u64 {
        self.kicks
    }

    /// As [`SplitQueue::submit`].
    ///
    /// # Errors
    /// [`QueueError`] and the chain.
    pub fn submit(&mut self, chain: C) -> Result<(), (QueueError, C)> {
        self.split.submit(chain)
    }

    /// As [`SplitQueue::complete`].
    ///
    /// # Errors
    /// [`QueueError`] when the device broke the rules.
    pub fn complete(&mut self) -> Result<Option<(C, u32)>, QueueError> {
        self.split.complete()
    }

    /// As [`SplitQueue::has_used`].
    #[inline]
    #[must_use]
    pub fn has_used(&self) -> bool {
        self.split.has_used()
    }

    /// As [`SplitQueue::enable_notifications`].
    pub fn enable_notifications(&mut self) -> bool {
        self.split.enable_notifications()
    }

    /// As [`SplitQueue::enable_notifications_after`].
    pub fn enable_notifications_after(&mut self, count: u16) -> bool {
        self.split.enable_notifications_after(count)
    }

    /// As [`SplitQueue::disable_notifications`].
    pub fn disable_notifications(&mut self) {
        self.split.disable_notifications();
    }

    /// As [`SplitQueue::abandon`].
    pub fn abandon(&mut self) {
        self.split.abandon();
    }

    /// Chains that the device has.
    #[must_use]
    pub fn in_flight(&self) -> u16 {
        self.split.in_flight()
    }

    /// Descriptors that are free.
    #[must_use]
    pub fn free(&self) -> u16 {
        self.split.free()
    }

    /// Chains of the longest kind that fit at once into the whole queue.
    #[must_use]
    pub fn max_chains(&self) -> u16 {
        self.split.max_chains()
    }

    /// Chains submitted since the last [`kick`](Self::kick).
    #[must_use]
    pub fn unkicked(&self) -> u16 {
        self.split.unkicked()
    }
}

impl<C> fmt::Debug for Queue<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("split", &self.split).field("kicks", &self.kicks).finish_non_exhaustive()
    }
}

/// Why a queue refused a chain, or was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// There are not enough free descriptors now.
    #[error("{wanted} descriptors wanted, {free} free")]
    Full {
        /// Descriptors that the chain needs.
        wanted: u16,
        /// Descriptors that there are.
        free: u16,
    },
    /// The chain has more segments than the queue was made for.
    #[error("a chain of {segments} segments is too long, {max_segments} fit")]
    TooLong {
        /// Segments of the chain.
        segments: usize,
        /// Segments that fit.
        max_segments: usize,
    },
    /// The chain has no segments.
    #[error("an empty chain")]
    Empty,
    /// What the device reads must come before what it writes (virtio 1.2, 2.7.4.2).
    #[error("a readable segment follows a writable one")]
    ReadableAfterWritable,
    /// A segment is empty, does not lie in its buffer, or is larger than a descriptor can express.
    #[error("bytes {start} to {end} of a buffer of {length} make no segment")]
    OutsideBuffer {
        /// First byte.
        start: usize,
        /// One past the last byte.
        end: usize,
        /// Bytes in the buffer.
        length: usize,
    },
    /// The device could not say that it wrote so much.
    #[error("{bytes} bytes for the device to write in one chain; it can tell of 32 bits of them")]
    TooManyBytes {
        /// Bytes for the device to write.
        bytes: u64,
    },
    /// The device gave back more chains than it has.
    #[error("the device reports that it used {advanced} chains, it has {in_flight}")]
    IndexJump {
        /// How far its index went.
        advanced: u16,
        /// Chains that it has.
        in_flight: u16,
    },
    /// The device gave back a chain that it does not have.
    #[error("the device gave back chain {id}, which it does not have")]
    UnknownId {
        /// The id that it wrote.
        id: u32,
    },
    /// The device reports that it wrote more than there was room for.
    #[error("the device reports that it wrote {length} bytes into chain {id}, which has room for {writable}")]
    Overlong {
        /// The chain.
        id: u16,
        /// Bytes that it reports to have written.
        length: u32,
        /// Bytes that there was room for.
        writable: u32,
    },
    /// The device broke the rules before; no report of it is used any more.
    #[error("the queue is dead")]
    Dead,
}
