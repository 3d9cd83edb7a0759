//! A port: its two queues, and its state (virtio 1.2, 5.3.6).

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use core::task::Poll;

use switchboard::dma::{DmaBuffer, DmaError, DmaPort};

use super::ConsoleFault;
use crate::interfaces::console::{ConsoleSize, PortInfo};
use crate::virtio::queue::{Chain, Queue, QueueError, QueueWatch, Segments};

/// The descriptors of each queue, and the buffers for either direction.
pub(super) const BUFFERS: u16 = 4;
/// The bytes of a buffer.
pub(super) const BUFFER_BYTES: usize = 1024;

/// A buffer with bytes for the device to read.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) buffer: DmaBuffer,
    length: usize,
}

impl Outgoing {
    /// Copies as many bytes as fit.
    pub(super) fn new(mut buffer: DmaBuffer, bytes: &[u8]) -> Self {
        let length = bytes.len().min(buffer.len());
        buffer[..length].copy_from_slice(&bytes[..length]);
        Self { buffer, length }
    }
}

impl Chain for Outgoing {
    fn describe(&self, segments: &mut Segments) {
        segments.readable(&self.buffer, 0..self.length);
    }
}

/// Bytes that were received, from `taken` on not read yet.
#[derive(Debug)]
struct Received {
    buffer: DmaBuffer,
    length: usize,
    taken: usize,
}

/// A port that the device may have.
#[derive(Debug)]
pub(super) struct Port {
    receive: Queue<DmaBuffer>,
    transmit: Queue<Outgoing>,
    received: VecDeque<Received>,
    /// Buffers for sending that the device does not have.
    idle: Vec<DmaBuffer>,
    has_buffers: bool,
    /// Whether the device has added it.
    pub(super) is_present: bool,
    pub(super) is_console: bool,
    pub(super) is_host_open: bool,
    /// Whether the driver's end is to be open, and the state that was sent last.
    pub(super) wants_open: bool,
    pub(super) sent_open: bool,
    pub(super) name: String,
    pub(super) size: Option<ConsoleSize>,
}

impl Port {
    pub(super) fn new(receive: Queue<DmaBuffer>, transmit: Queue<Outgoing>) -> Self {
        Self {
            receive,
            transmit,
            received: VecDeque::with_capacity(BUFFERS.into()),
            idle: Vec::with_capacity(BUFFERS.into()),
            has_buffers: false,
            is_present: false,
            is_console: false,
            is_host_open: false,
            wants_open: false,
            sent_open: false,
            name: String::new(),
            size: None,
        }
    }

    /// Returns views of the queues, for the interrupt handlers.
    pub(super) fn watches(&self) -> [QueueWatch; 2] {
        [self.receive.watch(), self.transmit.watch()]
    }

    /// Allocates the buffers, once, and submits those for receiving.
    pub(super) fn allocate(&mut self, dma: &DmaPort) -> Result<(), DmaError> {
        if self.has_buffers {
            return Ok(());
        }
        let (sending, receiving) = (self.transmit.free().min(BUFFERS), self.receive.free().min(BUFFERS));
        self.idle = dma.buffers(sending.into(), BUFFER_BYTES)?;
        for buffer in dma.buffers(receiving.into(), BUFFER_BYTES)? {
            // There is a descriptor for each.
            drop(self.receive.submit(buffer));
        }
        self.has_buffers = true;
        Ok(())
    }

    /// Notifies the device of the buffers for receiving.
    pub(super) fn kick(&mut self) {
        self.receive.kick();
    }

    /// Forgets what belongs to a port that the device has removed. What it has not read is dropped; its buffers stay in the queues.
    pub(super) fn remove(&mut self) -> Result<(), QueueError> {
        (self.is_present, self.is_console, self.is_host_open, self.sent_open) = (false, false, false, false);
        self.name = String::new();
        self.size = None;
        while let Some(Received { buffer, .. }) = self.received.pop_front() {
            self.receive.submit(buffer).map_err(|(error, _)| error)?;
        }
        Ok(())
    }

    pub(super) fn info(&self, id: u32) -> PortInfo {
        let Self { name, is_console, is_host_open, size, .. } = self;
        PortInfo { id, name: name.clone(), is_console: *is_console, is_open: *is_host_open, size: *size }
    }

    /// Copies bytes that have arrived; pending where there are none, with an interrupt for the next.
    pub(super) fn read(&mut self, bytes: &mut [u8]) -> Result<Poll<usize>, ConsoleFault> {
        let mut empty = 0;
        loop {
            if let Some(front) = self.received.front_mut() {
                let count = bytes.len().min(front.length - front.taken);
                bytes[..count].copy_from_slice(&front.buffer[front.taken..][..count]);
                front.taken += count;
                if front.taken == front.length
                    && let Some(Received { buffer, .. }) = self.received.pop_front()
                {
                    self.receive.submit(buffer).map_err(|(error, _)| error)?;
                    self.receive.kick();
                }
                return Ok(Poll::Ready(count));
            }
            match self.receive.complete()? {
                // Not longer than the buffer: the queue has checked it.
                Some((buffer, length @ 1..)) => {
                    self.received.push_back(Received { buffer, length: length as usize, taken: 0 });
                }
                // It would be read as the end of the stream. A device that returns all buffers like that keeps this loop busy.
                Some(_) if empty == BUFFERS => return Err(ConsoleFault::Empty),
                Some((buffer, _)) => {
                    empty += 1;
                    self.receive.submit(buffer).map_err(|(error, _)| error)?;
                }
                None if self.receive.enable_notifications() => {}
                None => {
                    self.receive.kick();
                    return Ok(Poll::Pending);
                }
            }
        }
    }

    /// Sends as many bytes as fit into a buffer; pending where the device has all of them, with an interrupt for the next.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<Poll<usize>, ConsoleFault> {
        loop {
            self.reclaim()?;
            if let Some(buffer) = self.idle.pop() {
                let outgoing = Outgoing::new(buffer, bytes);
                let length = outgoing.length;
                if let Err((error, outgoing)) = self.transmit.submit(outgoing) {
                    self.idle.push(outgoing.buffer);
                    return Err(error.into());
                }
                self.transmit.kick();
                return Ok(Poll::Ready(length));
            }
            if !self.transmit.enable_notifications() {
                return Ok(Poll::Pending);
            }
        }
    }

    /// Returns whether the device has taken all that was sent; if not, there is an interrupt for the next.
    pub(super) fn flush(&mut self) -> Result<bool, ConsoleFault> {
        loop {
            self.reclaim()?;
            if self.transmit.in_flight() == 0 {
                return Ok(true);
            }
            if !self.transmit.enable_notifications() {
                return Ok(false);
            }
        }
    }

    fn reclaim(&mut self) -> Result<(), QueueError> {
        while let Some((outgoing, _)) = self.transmit.complete()? {
            self.idle.push(outgoing.buffer);
        }
        Ok(())
    }

    pub(super) fn abandon(&mut self) {
        self.receive.abandon();
        self.transmit.abandon();
    }
}
