//! Frame and byte counters of an interface.

use core::cell::Cell;

use crate::link::Drops;

/// Frames and bytes that an interface has exchanged with its driver, Ethernet headers included.
///
/// ```
/// use switchboard_net::Traffic;
///
/// let traffic = Traffic::default();
/// assert_eq!((traffic.received_frames(), traffic.sent_bytes()), (0, 0));
/// ```
#[derive(Debug, Default)]
pub struct Traffic {
    received_frames: Cell<u64>,
    received_bytes: Cell<u64>,
    sent_frames: Cell<u64>,
    sent_bytes: Cell<u64>,
    /// Packets that were dropped.
    pub drops: Drops,
}

impl Traffic {
    /// Returns the number of frames received.
    #[must_use]
    pub fn received_frames(&self) -> u64 {
        self.received_frames.get()
    }

    /// Returns the number of bytes received.
    #[must_use]
    pub fn received_bytes(&self) -> u64 {
        self.received_bytes.get()
    }

    /// Returns the number of frames sent.
    #[must_use]
    pub fn sent_frames(&self) -> u64 {
        self.sent_frames.get()
    }

    /// Returns the number of bytes sent.
    #[must_use]
    pub fn sent_bytes(&self) -> u64 {
        self.sent_bytes.get()
    }

    pub(super) fn count_received(&self, length: usize) {
        count(&self.received_frames, &self.received_bytes, length);
    }

    pub(super) fn count_sent(&self, length: usize) {
        count(&self.sent_frames, &self.sent_bytes, length);
    }
}

fn count(frames: &Cell<u64>, bytes: &Cell<u64>, length: usize) {
    frames.set(frames.get() + 1);
    bytes.set(bytes.get() + length as u64);
}
