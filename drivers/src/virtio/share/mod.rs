//! virtio-9p: a directory of the host, by the 9P protocol. The transport only; messages are those of a client.
//!
//! The device has ID 9 (virtio 1.2, 5). Its interface is that of QEMU and Linux: one queue, whose chains are a request and room
//! for its reply; a configuration of the length of the share's name in 16 bits, and the name; feature bit 0 for that.

#[cfg(test)]
mod tests;

use alloc::string::String;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll};

use bitflags::bitflags;
use spin::Mutex;
use switchboard::dma::DmaBuffer;
use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::function::Function;
use switchboard::interrupt::{Interrupts, Live};
use switchboard::messages;

use super::queue::{Chain, Queue, QueueError, QueueParameters, Segments};
use super::request_handlers::{RequestHandlers, RequestMessages};
use super::{InterruptCause, Running, Transport, VENDOR};
use crate::interfaces::share::{Exchange, ShareDevice, ShareError, ShareLimits};

/// The size of the buffers for a request and its reply. 32 KiB of a file fit into a request, and 64 KiB into a reply, with their heads.
const LIMITS: ShareLimits = ShareLimits { request_bytes: (32 << 10) + 64, reply_bytes: (64 << 10) + 64 };
/// The longest name that is read.
const MAX_TAG_BYTES: u16 = 255;

bitflags! {
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct Features: u64 {
        /// `VIRTIO_9P_MOUNT_TAG`: the configuration has a name.
        const MOUNT_TAG = 1;
    }
}

messages! {
    /// The only message of the device.
    pub enum ShareMessage { Done }
}

/// A request and room for its reply.
#[derive(Debug)]
struct Buffers {
    request: DmaBuffer,
    length: usize,
    reply: DmaBuffer,
}

impl Chain for Buffers {
    fn describe(&self, segments: &mut Segments) {
        segments.readable(&self.request, 0..self.length);
        segments.writable(&self.reply, 0..LIMITS.reply_bytes);
    }
}

#[derive(Debug)]
struct Inner {
    queue: Queue<Buffers>,
    /// The buffers, unless the device owns them.
    idle: Option<Buffers>,
}

impl RequestMessages for ShareMessage {
    const DONE: Self = Self::Done;
    const CHANGES: InterruptCause = InterruptCause::empty();
}

/// A virtio-9p device: a directory that the host shares.
#[derive(Debug)]
pub struct Virtio9p {
    // The first field, so that the device is reset before its memory and interrupts are freed.
    device: Running,
    _interrupts: Interrupts<1, RequestHandlers<ShareMessage>, Live>,
    inner: Mutex<Inner>,
    shared: Arc<RequestHandlers<ShareMessage>>,
    tag: String,
    is_closed: AtomicBool,
}

impl Driver for Virtio9p {
    const NAME: &'static str = "virtio-9p";
    const MATCHES: &'static [Id] = &[Id::new(VENDOR, 0x1049), Id::new(VENDOR, 0x1009)];

    fn probe(function: Function) -> Result<Self, ProbeError> {
        let (transport, irq, dma) = Transport::open(function)?;
        let (setup, features) = transport.negotiate(Features::all())?;
        let mut tag = String::new();
        if features.contains(Features::MOUNT_TAG) {
            let length = setup.config_bytes(0, 2)?;
            let length = u16::from_le_bytes([length[0], length[1]]).min(MAX_TAG_BYTES);
            tag = String::from_utf8_lossy(&setup.config_bytes(2, length)?).into_owned();
        }
        let interrupts = irq.grant()?;
        let parameters = QueueParameters { size: 4, max_segments: 2 };
        let queue = setup.queue(0, &dma, parameters, interrupts.entry(ShareMessage::Done))?;
        let (request, reply) = (dma.buffer(LIMITS.request_bytes)?, dma.buffer(LIMITS.reply_bytes)?);
        let idle = Some(Buffers { request, length: 0, reply });
        let shared = Arc::new(RequestHandlers::new(setup.interrupt_status(), queue.watch()));
        let interrupts = interrupts.register(shared.clone()).unmask();
        let inner = Mutex::new(Inner { queue, idle });
        Ok(Self {
            device: setup.start(),
            _interrupts: interrupts,
            inner,
            shared,
            tag,
            is_closed: AtomicBool::new(false),
        })
    }
}

impl Virtio9p {
    /// Quarantines the device, once.
    fn quarantine(&self, error: QueueError) -> ShareError {
        if self.device.presence().is_gone() {
            return ShareError::Gone;
        }
        if error != QueueError::Dead {
            self.device.quarantine(error);
        }
        ShareError::Quarantined
    }
}

impl ShareDevice for Virtio9p {
    fn tag(&self) -> &str {
        &self.tag
    }

    fn limits(&self) -> ShareLimits {
        LIMITS
    }

    fn poll_exchange(
        &self,
        exchange: &mut Exchange,
        request: &[u8],
        take: &mut dyn FnMut(&[u8]),
        context: &mut Context<'_>,
    ) -> Poll<Result<(), ShareError>> {
        let (bytes, limit) = (request.len(), LIMITS.request_bytes);
        if bytes > limit {
            return Poll::Ready(Err(ShareError::TooLong { bytes, limit }));
        }
        self.shared.collector.register(context.waker());
        if self.is_closed.load(Ordering::Acquire) || self.device.presence().is_gone() {
            return Poll::Ready(Err(ShareError::Gone));
        }
        let inner = &mut *self.inner.lock();
        match inner.poll(exchange, request, take) {
            Ok(true) => Poll::Ready(Ok(())),
            Ok(false) => Poll::Pending,
            Err(error) => {
                inner.queue.abandon();
                Poll::Ready(Err(self.quarantine(error)))
            }
        }
    }

    fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.shared.collector.wake();
    }
}

impl Inner {
    /// Returns whether the reply of the exchange has arrived.
    fn poll(
        &mut self,
        exchange: &mut Exchange,
        request: &[u8],
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<bool, QueueError> {
        loop {
            if let Some((buffers, length)) = self.queue.complete()? {
                let is_wanted = exchange.is_sent;
                if is_wanted {
                    // Not longer than the buffer: the queue has checked it.
                    take(&buffers.reply[..length as usize]);
                }
                self.idle = Some(buffers);
                self.queue.mark_taken();
                if is_wanted {
                    return Ok(true);
                }
            }
            if let Some(mut buffers) = self.idle.take_if(|_| !exchange.is_sent) {
                buffers.length = request.len();
                buffers.request[..request.len()].copy_from_slice(request);
                if let Err((error, buffers)) = self.queue.submit(buffers) {
                    self.idle = Some(buffers);
                    return Err(error);
                }
                self.queue.kick();
                exchange.is_sent = true;
            }
            if !self.queue.enable_notifications() {
                return Ok(false);
            }
        }
    }
}
