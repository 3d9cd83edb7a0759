//! A view of a pair of queues for its interrupt handler: whether a completion waits, and how many commands are in flight.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering};

use switchboard::dma::DmaReader;
use switchboard::interrupt::Activity;

use super::command::Completion;

/// Positions that the driver publishes when it rings a doorbell.
#[derive(Debug, Default)]
pub(super) struct Positions {
    /// The head of the completion queue in the low half, and above it the phase tag of new completions.
    head: AtomicU32,
    /// The number of commands that the controller has.
    in_flight: AtomicU32,
}

impl Positions {
    pub(super) fn publish(&self, head: u16, phase: bool, in_flight: u16) {
        self.head.store(u32::from(head) | u32::from(phase) << 16, Ordering::Relaxed);
        self.in_flight.store(in_flight.into(), Ordering::Relaxed);
    }
}

/// A view of a pair of queues.
#[derive(Debug)]
pub(super) struct QueueWatch {
    completions: DmaReader<[u32; 4]>,
    positions: Arc<Positions>,
}

impl QueueWatch {
    pub(super) fn new(completions: DmaReader<[u32; 4]>, positions: Arc<Positions>) -> Self {
        Self { completions, positions }
    }

    /// Returns the activity of the controller for these queues.
    pub(super) fn activity(&self) -> Activity {
        let (head, in_flight) =
            (self.positions.head.load(Ordering::Relaxed), self.positions.in_flight.load(Ordering::Relaxed));
        let completion: Completion = self.completions.read_as((head & 0xffff) as usize);
        let is_pending = in_flight > 0 && completion.phase() == (head >> 16 != 0);
        Activity::pending_if(is_pending.then_some(head)).with_requests(in_flight, head)
    }
}
