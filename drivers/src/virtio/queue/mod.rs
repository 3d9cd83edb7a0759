//! Virtqueues: the protocol in shared memory, and the doorbell of the device.

mod descriptor;
#[cfg(test)]
mod model;
mod notifications;
mod parameters;
mod rings;
mod split;
mod table;
#[cfg(test)]
mod tests;
mod watch;

use core::fmt;

use bitflags::bitflags;

pub use descriptor::{Chain, MAX_SEGMENTS, Segments};
pub use parameters::{QueueAddresses, QueueParameters};
pub use split::SplitQueue;
pub use watch::QueueWatch;

use super::doorbell::Doorbell;

bitflags! {
    /// The features of queues (virtio 1.2, 6).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct RingFeatures: u64 {
        /// `VIRTIO_F_INDIRECT_DESC`: a descriptor may refer to a table of descriptors.
        const INDIRECT = 1 << 28;
        /// `VIRTIO_F_EVENT_IDX`: each side requests notifications by index.
        const EVENT_INDEX = 1 << 29;
    }
}

/// A virtqueue of a running device, made by [`Setup::queue`](super::Setup::queue): a [`SplitQueue`] with its doorbell.
pub struct Queue<C> {
    split: SplitQueue<C>,
    doorbell: Doorbell,
    kicks: u64,
}

impl<C: Chain> Queue<C> {
    pub(super) fn new(split: SplitQueue<C>, doorbell: Doorbell) -> Self {
        Self { split, doorbell, kicks: 0 }
    }

    /// Rings the doorbell, if needed, for all chains submitted so far. To be called before sleeping. One call for many chains saves most
    /// of the kicks.
    pub fn kick(&mut self) {
        if self.split.needs_kick() {
            self.doorbell.ring();
            self.kicks += 1;
        }
    }

    /// Returns the number of kicks that were needed.
    #[must_use]
    pub fn kicks(&self) -> u64 {
        self.kicks
    }

    /// As [`SplitQueue::submit`].
    ///
    /// # Errors
    /// [`QueueError`], and the chain.
    pub fn submit(&mut self, chain: C) -> Result<(), (QueueError, C)> {
        self.split.submit(chain)
    }

    /// As [`SplitQueue::complete`].
    ///
    /// # Errors
    /// [`QueueError`] when the device violated the protocol.
    #[inline]
    pub fn complete(&mut self) -> Result<Option<(C, u32)>, QueueError> {
        self.split.complete()
    }

    /// As [`SplitQueue::has_used`].
    #[inline]
    #[must_use]
    pub fn has_used(&self) -> bool {
        self.split.has_used()
    }

    /// As [`SplitQueue::is_next_notified`].
    #[inline]
    #[must_use]
    pub fn is_next_notified(&self) -> bool {
        self.split.is_next_notified()
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

    /// As [`SplitQueue::mark_taken`].
    pub fn mark_taken(&mut self) {
        self.split.mark_taken();
    }

    /// As [`SplitQueue::abandon`].
    pub fn abandon(&mut self) {
        self.split.abandon();
    }

    /// As [`SplitQueue::watch`].
    #[must_use]
    pub fn watch(&self) -> QueueWatch {
        self.split.watch()
    }

    /// Returns the number of chains that the device owns.
    #[must_use]
    pub fn in_flight(&self) -> u16 {
        self.split.in_flight()
    }

    /// Returns the number of free descriptors.
    #[must_use]
    pub fn free(&self) -> u16 {
        self.split.free()
    }

    /// Returns how many chains of the most segments fit into the whole queue.
    #[must_use]
    pub fn max_chains(&self) -> u16 {
        self.split.max_chains()
    }

    /// Returns the number of chains submitted since the last [`kick`](Self::kick).
    #[inline]
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

/// The error of a queue: a refused chain, or a violation of the protocol by the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// There are too few free descriptors.
    #[error("{wanted} descriptors wanted, {free} free")]
    Full {
        /// Descriptors that the chain needs.
        wanted: u16,
        /// Free descriptors.
        free: u16,
    },
    /// The chain has more segments than the parameters of the queue allow.
    #[error("a chain of {segments} segments is too long, {max_segments} fit")]
    TooLong {
        /// Segments of the chain.
        segments: usize,
        /// The most segments of a chain.
        max_segments: usize,
    },
    /// The chain has no segments.
    #[error("an empty chain")]
    Empty,
    /// Segments that the device reads must come before those that it writes (virtio 1.2, 2.7.4.2).
    #[error("a readable segment follows a writable one")]
    ReadableAfterWritable,
    /// A segment is empty, is not within its buffer, or is larger than a descriptor can express.
    #[error("bytes {start} to {end} of a buffer of {length} are no segment")]
    OutsideBuffer {
        /// First byte.
        start: usize,
        /// One past the last byte.
        end: usize,
        /// Bytes in the buffer.
        length: usize,
    },
    /// The device could not report so many bytes as written.
    #[error("{bytes} bytes for the device to write in one chain, which has a 32-bit length")]
    TooManyBytes {
        /// Bytes for the device to write.
        bytes: u64,
    },
    /// The device returned more chains than it owns.
    #[error("the device reports that it used {advanced} chains, it has {in_flight}")]
    IndexJump {
        /// The advance of its index.
        advanced: u16,
        /// Chains that it owns.
        in_flight: u16,
    },
    /// The device returned a chain that it does not own.
    #[error("the device returned chain {id}, which it does not have")]
    UnknownId {
        /// The ID that it wrote.
        id: u32,
    },
    /// The device reports more bytes as written than the chain has.
    #[error("the device reports that it wrote {length} bytes into chain {id}, which has room for {writable}")]
    Overlong {
        /// The chain.
        id: u16,
        /// Bytes that it reports to have written.
        length: u32,
        /// Bytes that it may write.
        writable: u32,
    },
    /// The device violated the protocol before, or the queue was abandoned.
    #[error("the queue is dead")]
    Dead,
}
