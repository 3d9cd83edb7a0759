//! What went through an interface.

use core::cell::Cell;

/// Frames and bytes, as they go to and come from a driver.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Frames received.
    pub received_frames: Cell<u64>,
    /// Bytes received, Ethernet headers included.
    pub received_bytes: Cell<u64>,
    /// Frames sent.
    pub sent_frames: Cell<u64>,
    /// Bytes sent, Ethernet headers included.
    pub sent_bytes: Cell<u64>,
}

impl Traffic {
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
