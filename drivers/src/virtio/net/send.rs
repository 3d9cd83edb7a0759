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
use crate::interfaces::network::Segmentation;
use crate::virtio::queue::{Chain, Queue, QueueError, Segments};

/// The number of frames for which the device is kicked.
const KICK_BATCH: u16 = 32;

/// The number of buffers for long segments, and their size.
const LARGE_BUFFERS: usize = 16;
const LARGE_BUFFER_BYTES: usize = 64 * 1024;
/// The longest packet that the card splits.
pub(super) const MAX_LARGE_PACKET: usize = LARGE_BUFFER_BYTES - HEADER_BYTES - 14;

/// The header of a frame with offloads (5.1.6): flags, and the kind of segmentation.
const NEEDS_CSUM: u8 = 1;
const GSO_TCPV4: u8 = 1;
const GSO_TCPV6: u8 = 4;

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
    /// The free ones for long segments.
    #[expect(clippy::vec_box, reason = "buffers move between this and the queue")]
    large_buffers: Vec<Box<DmaBuffer>>,
    /// Whether the card splits long segments.
    has_segmentation: bool,
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
        has_segmentation: bool,
    ) -> Result<Self, ProbeError> {
        let (count, length) = buffers;
        let mut free_buffers: Vec<_> = dma.buffers(count, length)?.into_iter().map(Box::new).collect();
        // No more buffers than descriptors, so that a free buffer can always be submitted.
        let large_buffers = if has_segmentation { LARGE_BUFFERS.min(usize::from(queue.free()) / 2) } else { 0 };
        free_buffers.truncate(usize::from(queue.free()) - large_buffers);
        let large_buffers = dma.buffers(large_buffers, LARGE_BUFFER_BYTES)?.into_iter().map(Box::new).collect();
        // No task waits for sent frames: they are reclaimed when no buffer is free.
        queue.disable_notifications();
        Ok(Self { queue, free_buffers, large_buffers, has_segmentation, shared, counters, kicks: 0 })
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

    /// Returns whether there is a free buffer, of each size; without one, [`poll`](Self::poll) may find some.
    #[inline]
    pub(super) fn has_buffer(&self) -> bool {
        !self.free_buffers.is_empty() && (!self.has_segmentation || !self.large_buffers.is_empty())
    }

    /// Returns whether a frame can be sent. If not, registers the waker.
    pub(super) fn poll(&mut self, context: &Context<'_>) -> Result<bool, QueueError> {
        if self.has_buffer() {
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
            if sent.buffer.len() == LARGE_BUFFER_BYTES {
                self.large_buffers.push(sent.buffer);
            } else {
                self.free_buffers.push(sent.buffer);
            }
        }
        Ok(self.has_buffer())
    }

    /// Sends a TCP segment that the device splits. `fill` writes the frame.
    pub(super) fn send_large(&mut self, length: usize, fill: &mut dyn FnMut(&mut [u8]) -> Segmentation) {
        let end = HEADER_BYTES + length;
        let Some(mut buffer) = self.large_buffers.pop_if(|buffer| end <= buffer.len()) else {
            return self.counters.dropped.add(1);
        };
        let Segmentation { is_ipv6, header_bytes, checksum_start, checksum_offset, segment_bytes } =
            fill(&mut buffer[HEADER_BYTES..end]);
        let kind = if is_ipv6 { GSO_TCPV6 } else { GSO_TCPV4 };
        let words = [header_bytes, segment_bytes, checksum_start, checksum_offset, 0];
        (buffer[0], buffer[1]) = (NEEDS_CSUM, kind);
        for (place, word) in buffer[2..HEADER_BYTES].chunks_exact_mut(2).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        match self.queue.submit(Outgoing { buffer, end }) {
            Ok(()) => self.counters.sent.add(1),
            Err((_, unsent)) => {
                self.counters.dropped.add(1);
                self.large_buffers.push(unsent.buffer);
            }
        }
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
