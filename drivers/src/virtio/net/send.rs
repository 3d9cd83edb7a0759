//! Sending: frames go out of a stock of buffers, and come back when someone needs one (virtio 1.2, 5.1.6.2).

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::task::Context;

use embassy_net_driver::TxToken;
use switchboard::dma::{DmaBuffer, DmaPort};
use switchboard::driver::ProbeError;

use super::{HEADER, NetCounters, Shared};
use crate::virtio::queue::{Chain, Queue, QueueError, Segments};

/// Frames that wait for one kick at the most.
const BATCH: u16 = 32;

/// A frame for the device to read, behind a header of zeroes: no offload is asked of it.
#[derive(Debug)]
pub(super) struct Outgoing {
    buffer: DmaBuffer,
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
    /// Buffers that the device does not have. Their headers are zero, and stay so.
    stock: Vec<DmaBuffer>,
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
        let mut stock = dma.buffers(count, length)?;
        // No more buffers than descriptors: a buffer in hand is then a promise that it can be sent.
        stock.truncate(queue.free().into());
        // No task waits for sent frames; they are collected when buffers run short.
        queue.disable_notifications();
        Ok(Self { queue, stock, shared, counters, kicks: 0 })
    }

    /// Notifies the device of the frames that wait for it.
    pub(super) fn kick(&mut self) {
        self.queue.kick();
        self.counters.kicks.add(self.queue.kicks() - self.kicks);
        self.kicks = self.queue.kicks();
    }

    /// Whether a frame can be sent; if not, the task is woken when one can.
    pub(super) fn poll(&mut self, context: &Context<'_>) -> Result<bool, QueueError> {
        if !self.stock.is_empty() {
            return Ok(true);
        }
        if self.collect()? {
            self.queue.disable_notifications();
            return Ok(true);
        }
        self.counters.full.add(1);
        self.kick();
        // The waker first, then the request, then the last look; see the receiver. Waking at the first free buffer
        // would mean an interrupt for each, so half of them is asked for.
        self.shared.send.register(context.waker());
        while self.queue.enable_notifications_after(self.queue.in_flight() / 2) {
            if self.collect()? {
                self.queue.disable_notifications();
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Takes back what was sent. Returns whether there are buffers now.
    fn collect(&mut self) -> Result<bool, QueueError> {
        while let Some((sent, _)) = self.queue.complete()? {
            self.stock.push(sent.buffer);
        }
        Ok(!self.stock.is_empty())
    }
}

/// The right to send one frame.
#[derive(Debug)]
pub struct TxSlot<'a> {
    pub(super) sender: &'a mut Sender,
}

impl TxToken for TxSlot<'_> {
    /// # Panics
    /// When `length` is more than the largest frame: that is the caller's mistake.
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        let Sender { queue, stock, counters, .. } = self.sender;
        let Some(mut buffer) = stock.pop() else { unreachable!("a slot is made when there is a buffer") };
        let end = HEADER + length;
        let result = fill(&mut buffer[HEADER..end]);
        match queue.submit(Outgoing { buffer, end }) {
            Ok(()) => counters.sent.add(1),
            // An empty frame, or a dead queue: nothing is sent.
            Err((_, unsent)) => {
                counters.dropped.add(1);
                stock.push(unsent.buffer);
            }
        }
        if queue.unkicked() >= BATCH {
            self.sender.kick();
        }
        result
    }
}
