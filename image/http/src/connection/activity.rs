//! Progress of one direction of a connection.

use core::cell::Cell;

/// A limit of slowness: within so many ticks of waiting, so many bytes at least.
#[derive(Debug, Clone, Copy)]
pub(super) struct MinProgress {
    pub(super) ticks: u32,
    pub(super) bytes: usize,
}

/// The time for which one direction has waited for the peer, and the bytes that were moved meanwhile.
#[derive(Debug, Default)]
pub(super) struct Activity {
    is_waiting: Cell<bool>,
    ticks: Cell<u32>,
    bytes: Cell<usize>,
}

impl Activity {
    /// Records that the peer is waited for. Returns whether it was not before.
    pub(super) fn wait(&self) {
        self.is_waiting.set(true);
    }

    /// Records that bytes were moved.
    pub(super) fn progress(&self, bytes: usize) {
        self.is_waiting.set(false);
        self.bytes.set(self.bytes.get().saturating_add(bytes));
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.is_waiting.get()
    }

    pub(super) fn reset(&self) {
        self.is_waiting.set(false);
        self.ticks.set(0);
        self.bytes.set(0);
    }

    /// Counts a tick. Returns whether the peer is too slow.
    pub(super) fn tick(&self, min: MinProgress) -> bool {
        if !self.is_waiting.get() {
            return false;
        }
        self.ticks.set(self.ticks.get() + 1);
        if self.ticks.get() < min.ticks {
            return false;
        }
        let is_slow = self.bytes.get() < min.bytes;
        self.ticks.set(0);
        self.bytes.set(0);
        is_slow
    }
}
