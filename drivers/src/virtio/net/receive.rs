//! The receive queue (virtio 1.2, 5.1.6.3 and 5.1.6.4).
//!
//! All buffers are in the queue. One that was used has a frame, and is submitted again after the stack has read it.

use alloc::sync::Arc;
use core::task::Context;

use switchboard::dma::{DmaBuffer, DmaPort};
use switchboard::driver::ProbeError;
use switchboard::interrupt::MessageMask;

use super::{HEADER_BYTES, NetCounters, Shared};
use crate::virtio::queue::{Queue, QueueError};

/// The number of buffers submitted again for which the device is kicked: a kick, or the check that none is needed, costs more than
/// a frame.
const KICK_BATCH: u16 = 32;

/// The number of buffers without a frame that are skipped before the task yields. A faulty device may return them as fast as they are
/// submitted.
const EMPTY_BUFFER_RETRIES: u16 = 64;

/// The receive queue.
#[derive(Debug)]
pub(super) struct Receiver {
    queue: Queue<DmaBuffer>,
    shared: Arc<Shared>,
    counters: Arc<NetCounters>,
    kicks: u64,
    /// Interrupts are disabled, since the caller polls.
    is_polled: bool,
    /// The mask of the receive message, if no other message shares its entry.
    mask: Option<MessageMask>,
}

impl Receiver {
    /// Fills the queue with `count` buffers.
    pub(super) fn new(
        mut queue: Queue<DmaBuffer>,
        shared: Arc<Shared>,
        counters: Arc<NetCounters>,
        dma: &DmaPort,
        buffers: (usize, usize),
        mask: Option<MessageMask>,
    ) -> Result<Self, ProbeError> {
        let (count, length) = buffers;
        for buffer in dma.buffers(count, length)? {
            if queue.submit(buffer).is_err() {
                // The queue of the device is smaller than requested.
                break;
            }
        }
        Ok(Self { queue, shared, counters, kicks: 0, is_polled: false, mask })
    }

    /// Turns interrupts off or on.
    pub(super) fn set_polled(&mut self, is_polled: bool) {
        self.is_polled = is_polled;
        if is_polled {
            self.queue.disable_notifications();
        }
        // To the device, the suppression is a hint that it may see late. Messages that it still sends stay pending behind the mask.
        match &self.mask {
            Some(mask) if is_polled => mask.mask(),
            Some(mask) => mask.unmask(),
            None => {}
        }
    }

    /// Kicks the device, if needed, for the buffers submitted again.
    pub(super) fn kick(&mut self) {
        self.queue.kick();
        self.counters.kicks.add(self.queue.kicks() - self.kicks);
        self.kicks = self.queue.kicks();
    }

    /// Returns the next frame. Without one, registers the waker, unless the caller polls.
    pub(super) fn poll(&mut self, context: &Context<'_>) -> Result<Option<RxToken<'_>>, QueueError> {
        let mut retries = EMPTY_BUFFER_RETRIES;
        if let Some((buffer, end)) = self.next(&mut retries)? {
            return Ok(Some(self.frame(buffer, end)));
        }
        if self.is_polled {
            self.kick();
            return Ok(None);
        }
        // Waker, request for an interrupt, last check, in this order: in any other, a frame in between would wake no task.
        self.shared.receive.register(context.waker());
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

    fn frame(&mut self, buffer: DmaBuffer, end: usize) -> RxToken<'_> {
        self.queue.disable_notifications();
        RxToken { receiver: self, buffer: Some(buffer), end }
    }

    /// Returns the next buffer with a frame, and the end of the frame in it. A buffer without a frame takes one of the retries.
    fn next(&mut self, retries: &mut u16) -> Result<Option<(DmaBuffer, usize)>, QueueError> {
        while *retries > 0
            && let Some((buffer, length)) = self.queue.complete()?
        {
            // Not longer than the buffer: the queue has checked it.
            let end = length as usize;
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
    fn resubmit(&mut self, buffer: DmaBuffer) {
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
    buffer: Option<DmaBuffer>,
    end: usize,
}

impl embassy_net_driver::RxToken for RxToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, handle: F) -> R {
        let frame = self.buffer.as_mut().map_or(&mut [][..], |buffer| &mut buffer[HEADER_BYTES..self.end]);
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
