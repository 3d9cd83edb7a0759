//! Receiving: buffers wait in the queue, come out with a frame, and go back (virtio 1.2, 5.1.6.3 and 5.1.6.4).

use alloc::sync::Arc;
use core::task::Context;

use embassy_net_driver::RxToken;
use switchboard::dma::{DmaBuffer, DmaPort};
use switchboard::driver::ProbeError;
use switchboard::interrupt::MessageMask;

use super::{HEADER, NetCounters, Shared};
use crate::virtio::queue::{Queue, QueueError};

/// Buffers that were used and posted again before the device is notified at the latest: a kick, or finding out that none
/// is needed, costs more than handling a frame.
const BATCH: u16 = 32;

/// Buffers without a frame in them that are passed over before other tasks have their turn. A device may give them back
/// as fast as they are posted, for ever.
const EMPTY_BUFFER_RETRIES: u16 = 64;

/// The receive queue.
#[derive(Debug)]
pub(super) struct Receiver {
    queue: Queue<DmaBuffer>,
    shared: Arc<Shared>,
    counters: Arc<NetCounters>,
    kicks: u64,
    /// Interrupts are off; the caller looks for frames by itself.
    is_polled: bool,
    /// Of the message for frames, where it shares its entry with no other.
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
                // The device's queue is smaller than wanted.
                break;
            }
        }
        Ok(Self { queue, shared, counters, kicks: 0, is_polled: false, mask })
    }

    pub(super) fn set_polled(&mut self, is_polled: bool) {
        self.is_polled = is_polled;
        if is_polled {
            self.queue.disable_notifications();
        }
        // To the device, that is a hint, and it may not look at it soon. What it sends nevertheless waits behind the mask.
        match &self.mask {
            Some(mask) if is_polled => mask.mask(),
            Some(mask) => mask.unmask(),
            None => {}
        }
    }

    /// Notifies the device of the buffers that wait for it.
    pub(super) fn kick(&mut self) {
        self.queue.kick();
        self.counters.kicks.add(self.queue.kicks() - self.kicks);
        self.kicks = self.queue.kicks();
    }

    /// The next frame; or `None`, and the task is woken when there is one.
    pub(super) fn poll(&mut self, context: &Context<'_>) -> Result<Option<Frame<'_>>, QueueError> {
        let mut retries = EMPTY_BUFFER_RETRIES;
        if let Some((buffer, end)) = self.next(&mut retries)? {
            return Ok(Some(self.frame(buffer, end)));
        }
        if self.is_polled {
            self.kick();
            return Ok(None);
        }
        // The waker first, then the request for an interrupt, then the last look: in any other order a frame could
        // slip in between and wake no task.
        self.shared.receive.register(context.waker());
        while retries > 0 && self.queue.enable_notifications() {
            if let Some((buffer, end)) = self.next(&mut retries)? {
                return Ok(Some(self.frame(buffer, end)));
            }
        }
        if retries == 0 {
            // There may be more, and no interrupt for it: the others come first, and then this task again.
            context.waker().wake_by_ref();
        }
        self.kick();
        Ok(None)
    }

    fn frame(&mut self, buffer: DmaBuffer, end: usize) -> Frame<'_> {
        self.queue.disable_notifications();
        Frame { receiver: self, buffer: Some(buffer), end }
    }

    /// Takes the next frame that is one out of the queue: the buffer, and where the frame ends in it. What is none
    /// uses up one of the retries.
    fn next(&mut self, retries: &mut u16) -> Result<Option<(DmaBuffer, usize)>, QueueError> {
        while *retries > 0
            && let Some((buffer, length)) = self.queue.complete()?
        {
            // No more than the buffer: the queue has checked it.
            let end = length as usize;
            if end > HEADER {
                self.counters.received.add(1);
                return Ok(Some((buffer, end)));
            }
            self.counters.dropped.add(1);
            self.post(buffer);
            *retries -= 1;
        }
        Ok(None)
    }

    fn post(&mut self, buffer: DmaBuffer) {
        // The descriptor that this buffer came with is free, so there is room, unless the queue is dead; then there is
        // nothing to receive, and the buffer is not needed.
        if self.queue.submit(buffer).is_ok() && self.queue.unkicked() >= BATCH {
            self.kick();
        }
    }
}

/// A frame that was received, in the buffer where the device put it. The buffer goes back when this is gone.
#[derive(Debug)]
pub struct Frame<'a> {
    receiver: &'a mut Receiver,
    buffer: Option<DmaBuffer>,
    end: usize,
}

impl RxToken for Frame<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, handle: F) -> R {
        let frame = self.buffer.as_mut().map_or(&mut [][..], |buffer| &mut buffer[HEADER..self.end]);
        let result = handle(frame);
        if let Some(buffer) = self.buffer.take() {
            self.receiver.post(buffer);
        }
        result
    }
}

impl Drop for Frame<'_> {
    fn drop(&mut self) {
        if let Some(buffer) = self.buffer.take() {
            self.receiver.counters.dropped.add(1);
            self.receiver.post(buffer);
        }
    }
}
