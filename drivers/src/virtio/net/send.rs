//! The transmit queue (virtio 1.2, 5.1.6.2).
//!
//! A frame is built in a free buffer. Buffers of sent frames are reclaimed when no buffer is free.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::task::Context;

use switchboard::dma::{DmaBuffer, DmaPort};
use switchboard::driver::ProbeError;

use super::{HEADER_BYTES, NetCounters, Shared};
use crate::virtio::queue::{Chain, Queue, QueueError, Segments};

/// The number of frames for which the device is kicked.
const KICK_BATCH: u16 = 32;

/// A frame for the device to send, behind a header of zeros, which requests no offload.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// In a box, as it changes hands often.
    buffer: Box<DmaBuffer>,
    end: usize,
}

impl Chain for Outgoing {
    fn describe(&self, segments: &mut Segments) {
        segments.readable(&self.buffer, 0..self.end);
    }
}

/// The transmit queue.
#[derive(Debug)]
pub(super) struct Sender {
    queue: Queue<Outgoing>,
    /// The free buffers. Their headers are zero, and stay so.
    #[expect(clippy::vec_box, reason = "buffers move between this and the queue")]
    free_buffers: Vec<Box<DmaBuffer>>,
    shared: Arc<Shared>,
    counters: Arc<NetCounters>,
    kicks: u64,
}

impl Sender {
    pub(super) fn new(
        mut queue: Queue<Outgoing>,
        shared: Arc<Shared>,
        counters: Arc<NetCounters>,
        dma: &DmaPort,
        buffers: (usize, usize),
    ) -> Result<Self, ProbeError> {
        let (count, length) = buffers;
        let mut free_buffers: Vec<_> = dma.buffers(count, length)?.into_iter().map(Box::new).collect();
        // No more buffers than descriptors, so that a free buffer can always be submitted.
        free_buffers.truncate(queue.free().into());
        // No task waits for sent frames: they are reclaimed when no buffer is free.
        queue.disable_notifications();
        Ok(Self { queue, free_buffers, shared, counters, kicks: 0 })
    }

    /// Kicks the device, if needed, for the frames submitted.
    #[inline]
    pub(super) fn kick(&mut self) {
        if self.queue.unkicked() > 0 {
            self.kick_queue();
        }
    }

    fn kick_queue(&mut self) {
        self.queue.kick();
        self.counters.kicks.add(self.queue.kicks() - self.kicks);
        self.kicks = self.queue.kicks();
    }

    /// Returns whether there is a free buffer; without one, [`poll`](Self::poll) may find some.
    #[inline]
    pub(super) fn has_buffer(&self) -> bool {
        !self.free_buffers.is_empty()
    }

    /// Returns whether a frame can be sent. If not, registers the waker.
    pub(super) fn poll(&mut self, context: &Context<'_>) -> Result<bool, QueueError> {
        if !self.free_buffers.is_empty() {
            return Ok(true);
        }
        if self.reclaim()? {
            self.queue.disable_notifications();
            return Ok(true);
        }
        self.counters.full.add(1);
        self.kick();
        // Waker, request for an interrupt, last check: see the receiver. The interrupt is requested for half of the buffers, since
        // one for the first would soon be followed by one for each.
        self.shared.send.register(context.waker());
        while self.queue.enable_notifications_after(self.queue.in_flight() / 2) {
            if self.reclaim()? {
                self.queue.disable_notifications();
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reclaims the buffers of sent frames. Returns whether there is a free one.
    fn reclaim(&mut self) -> Result<bool, QueueError> {
        while let Some((sent, _)) = self.queue.complete()? {
            self.free_buffers.push(sent.buffer);
        }
        Ok(!self.free_buffers.is_empty())
    }
}

/// The room for a frame to send.
#[derive(Debug)]
pub struct TxToken<'a> {
    pub(super) sender: &'a mut Sender,
}

impl embassy_net_driver::TxToken for TxToken<'_> {
    /// # Panics
    /// Panics when `length` exceeds the largest frame, in [`Capabilities`](embassy_net_driver::Capabilities).
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        let Sender { queue, free_buffers, counters, .. } = self.sender;
        let Some(mut buffer) = free_buffers.pop() else { unreachable!("a token is made only when there is a buffer") };
        let end = HEADER_BYTES + length;
        let result = fill(&mut buffer[HEADER_BYTES..end]);
        match queue.submit(Outgoing { buffer, end }) {
            Ok(()) => counters.sent.add(1),
            // The queue is dead.
            Err((_, unsent)) => {
                counters.dropped.add(1);
                free_buffers.push(unsent.buffer);
            }
        }
        if queue.unkicked() >= KICK_BATCH {
            self.sender.kick();
        }
        result
    }
}
