//! The receive queue (virtio 1.2, 5.1.6.3 and 5.1.6.4).
//!
//! All buffers are in the queue. One that was used has a frame, and is submitted again after the stack has read it.

mod merged;

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::num::NonZeroU64;
use core::task::{Context, Waker};

use switchboard::dma::{DmaBuffer, DmaPort};
use switchboard::driver::ProbeError;
use switchboard::interrupt::MessageMask;

use super::merge::{HEADROOM, Rest};
use super::{HEADER_BYTES, NetCounters, Shared};
use crate::virtio::queue::{Chain, Queue, QueueError, Segments};

/// The number of buffers submitted again for which the device is kicked: a kick, or the check that none is needed, costs more than
/// a frame.
const KICK_BATCH: u16 = 32;

/// The number of buffers without a frame that are skipped before the task yields. A faulty device may return them as fast as they are
/// submitted.
const EMPTY_BUFFER_RETRIES: u16 = 64;

/// A buffer for a frame, in a box, as it changes hands often. It is written into the descriptor table once: the descriptor that is
/// freed last is used next.
#[derive(Debug)]
pub(super) struct ReceiveBuffer(Box<DmaBuffer>);

/// Bytes of a buffer for merged frames.
const MERGE_BUFFER_BYTES: usize = 8192;

impl Chain for ReceiveBuffer {
    fn describe(&self, segments: &mut Segments) {
        // Only those for merged frames are that long.
        let start = if self.0.len() == MERGE_BUFFER_BYTES { HEADROOM } else { 0 };
        segments.writable(&self.0, start..self.0.len());
    }

    /// All buffers of the queue are of one length.
    #[inline]
    fn key(&self) -> Option<NonZeroU64> {
        NonZeroU64::new(self.0.bus().get())
    }
}

/// The receive queue.
#[derive(Debug)]
pub(super) struct Receiver {
    queue: Queue<ReceiveBuffer>,
    shared: Arc<Shared>,
    counters: Arc<NetCounters>,
    kicks: u64,
    /// Interrupts are disabled, since the caller polls.
    is_polled: bool,
    /// The waker that was registered last.
    waker: Option<Waker>,
    /// The mask of the receive message, if no other message shares its entry.
    mask: Option<MessageMask>,
    /// Whether frames may be in several buffers.
    is_merging: bool,
    /// What is still to come of the last frame.
    rest: Option<Rest>,
    /// Buffers to drop: of a frame that cannot be used.
    unusable_buffers: u16,
    /// Where the last frame begins in its buffer.
    frame_start: usize,
    /// Whether the checksum of TCP in the last frame need not be verified.
    is_verified: bool,
}

impl Receiver {
    /// Fills the queue with `count` buffers. With `is_merging`, they are of the size for merged frames.
    pub(super) fn new(
        mut queue: Queue<ReceiveBuffer>,
        shared: Arc<Shared>,
        counters: Arc<NetCounters>,
        dma: &DmaPort,
        buffers: (usize, usize),
        mask: Option<MessageMask>,
        is_merging: bool,
    ) -> Result<Self, ProbeError> {
        let (count, length) = if is_merging { (buffers.0, MERGE_BUFFER_BYTES) } else { buffers };
        for buffer in dma.buffers(count, length)? {
            if queue.submit(ReceiveBuffer(Box::new(buffer))).is_err() {
                // The queue of the device is smaller than requested.
                break;
            }
        }
        Ok(Self {
            queue,
            shared,
            counters,
            kicks: 0,
            is_polled: false,
            waker: None,
            mask,
            is_merging,
            rest: None,
            unusable_buffers: 0,
            frame_start: HEADER_BYTES,
            is_verified: false,
        })
    }

    /// Turns interrupts off or on.
    pub(super) fn set_polled(&mut self, is_polled: bool) {
        self.is_polled = is_polled;
        if is_polled {
            self.queue.disable_notifications();
            self.shared.receive.replace(None);
            self.waker = None;
        }
        // To the device, the suppression is a hint that it may see late. Messages that it still sends stay pending behind the mask.
        match &self.mask {
            Some(mask) if is_polled => mask.mask(),
            Some(mask) => mask.unmask(),
            None => {}
        }
    }

    /// Kicks the device, if needed, for the buffers submitted again.
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

    /// Returns whether there is no frame, and the next one wakes the task of `context`, as after an earlier poll.
    #[inline]
    pub(super) fn is_waiting(&self, context: &Context<'_>) -> bool {
        let is_registered = self.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker()));
        is_registered && self.queue.is_next_notified() && !self.queue.has_used()
    }

    /// Returns the next frame. Without one, registers the waker, unless the caller polls.
    pub(super) fn poll(&mut self, context: &Context<'_>) -> Result<Option<RxToken<'_>>, QueueError> {
        let mut retries = EMPTY_BUFFER_RETRIES;
        if self.queue.has_used()
            && let Some((buffer, end)) = self.next(&mut retries)?
        {
            return Ok(Some(self.frame(buffer, end)));
        }
        if self.is_polled {
            self.kick();
            return Ok(None);
        }
        // Waker, request for an interrupt, last check, in this order: in any other, a frame in between would wake no task.
        if self.waker.as_ref().is_none_or(|waker| !waker.will_wake(context.waker())) {
            self.shared.receive.replace(Some(context.waker().clone()));
            self.waker = Some(context.waker().clone());
        }
        while retries > 0 && self.queue.enable_notifications() {
            if let Some((buffer, end)) = self.next(&mut retries)? {
                return Ok(Some(self.frame(buffer, end)));
            }
        }
        if retries == 0 {
            // There may be more frames, without an interrupt: yields to other tasks, and polls again.
            context.waker().wake_by_ref();
        }
        self.kick();
        Ok(None)
    }

    fn frame(&mut self, buffer: ReceiveBuffer, end: usize) -> RxToken<'_> {
        self.queue.disable_notifications();
        RxToken { receiver: self, buffer: Some(buffer), end }
    }

    /// Returns the next buffer with a frame, and the end of the frame in it. A buffer without a frame takes one of the retries.
    fn next(&mut self, retries: &mut u16) -> Result<Option<(ReceiveBuffer, usize)>, QueueError> {
        while *retries > 0
            && let Some((buffer, length)) = self.queue.complete()?
        {
            // Not longer than the buffer: the queue has checked it.
            let end = length as usize;
            if self.is_merging {
                if let Some(frame) = self.next_of_merged(buffer, HEADROOM + end) {
                    return Ok(Some(frame));
                }
                *retries -= 1;
                continue;
            }
            if end > HEADER_BYTES {
                self.counters.received.add(1);
                return Ok(Some((buffer, end)));
            }
            self.counters.dropped.add(1);
            self.resubmit(buffer);
            *retries -= 1;
        }
        Ok(None)
    }

    /// Submits a buffer again.
    fn resubmit(&mut self, buffer: ReceiveBuffer) {
        // The descriptor of this buffer is free, so that only a dead queue refuses it. The buffer is then freed.
        if self.queue.submit(buffer).is_ok() && self.queue.unkicked() >= KICK_BATCH {
            self.kick();
        }
    }
}

/// A received frame, in its DMA buffer. Dropping it submits the buffer again.
#[derive(Debug)]
pub struct RxToken<'a> {
    receiver: &'a mut Receiver,
    buffer: Option<ReceiveBuffer>,
    end: usize,
}

impl RxToken<'_> {
    /// Returns whether the checksum of TCP in the frame need not be verified.
    #[inline]
    pub(super) fn is_verified(&self) -> bool {
        self.receiver.is_verified
    }
}

impl embassy_net_driver::RxToken for RxToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, handle: F) -> R {
        let start = self.receiver.frame_start;
        let frame = self.buffer.as_mut().map_or(&mut [][..], |buffer| &mut buffer.0[start..self.end]);
        let result = handle(frame);
        if let Some(buffer) = self.buffer.take() {
            self.receiver.resubmit(buffer);
        }
        result
    }
}

impl Drop for RxToken<'_> {
    fn drop(&mut self) {
        if let Some(buffer) = self.buffer.take() {
            self.receiver.counters.dropped.add(1);
            self.receiver.resubmit(buffer);
        }
    }
}
