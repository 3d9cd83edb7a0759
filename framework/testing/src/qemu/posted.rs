//! Posted writes: those to registers that are under way to the device, as on PCI (PCIe 5.0, 2.4.1).

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::sync::Mutex;
use std::time::Instant;
use std::vec::Vec;

use switchboard::config::Address;

use super::session::lock;

/// The time after which a write arrives in any case.
const LONGEST: Duration = Duration::from_millis(2);

/// A write that has not arrived.
#[derive(Debug, Clone, Copy)]
pub(super) struct PostedWrite {
    pub(super) function: Address,
    pub(super) physical: u64,
    pub(super) bytes: u8,
    pub(super) value: u64,
    /// Whether a handler made it.
    pub(super) is_handler: bool,
    since: Instant,
}

impl PostedWrite {
    pub(super) fn new(function: Address, physical: u64, bytes: u8, value: u64, is_handler: bool) -> Self {
        Self { function, physical, bytes, value, is_handler, since: Instant::now() }
    }
}

/// The writes that have not arrived, in their order, where writes are posted.
#[derive(Debug, Default)]
pub(super) struct PostedWrites {
    is_enabled: bool,
    queue: Mutex<Vec<PostedWrite>>,
    /// Calls of a line's handlers for a write of theirs that had not arrived.
    spurious: AtomicU64,
}

impl PostedWrites {
    pub(super) fn new(is_enabled: bool) -> Self {
        Self { is_enabled, ..Self::default() }
    }

    pub(super) fn is_enabled(&self) -> bool {
        self.is_enabled
    }

    pub(super) fn push(&self, write: PostedWrite) {
        lock(&self.queue).push(write);
    }

    /// Calls `send` with the writes to a function, or with all, in their order. No write is added meanwhile. Returns whether a
    /// handler had made one of them.
    pub(super) fn send(&self, function: Option<Address>, send: impl FnMut(PostedWrite)) -> bool {
        if !self.is_enabled {
            return false;
        }
        let mut queue = lock(&self.queue);
        let is_sent = |write: &PostedWrite| function.is_none_or(|function| function == write.function);
        let (sent, kept): (Vec<_>, _) = queue.drain(..).partition(is_sent);
        *queue = kept;
        let is_of_handler = sent.iter().any(|write| write.is_handler);
        sent.into_iter().for_each(send);
        is_of_handler
    }

    /// Returns whether a write has been under way for long.
    pub(super) fn is_due(&self) -> bool {
        self.is_enabled && lock(&self.queue).first().is_some_and(|write| write.since.elapsed() > LONGEST)
    }

    pub(super) fn count_spurious(&self) {
        self.spurious.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn spurious(&self) -> u64 {
        self.spurious.load(Ordering::Relaxed)
    }
}
