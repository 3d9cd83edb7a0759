//! virtio-rng: random bytes from the host (virtio 1.2, 5.4).

use alloc::sync::Arc;
use core::future::poll_fn;
use core::task::{Context, Poll};

use switchboard::dma::DmaBuffer;
use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::function::Function;
use switchboard::interrupt::{Claim, InIsr, Interrupts, LineIsr, Live, MessageIsr};
use switchboard::messages;
use switchboard::sync::{Notifier, Waiter, event};

use super::queue::{Queue, QueueError, Shape};
use super::{Cause, NoFeatures, Running, Signals, Transport, VENDOR};

/// Bytes asked for at once.
const CHUNK: usize = 256;

messages! {
    /// What the device tells.
    pub enum RngMessage { Done }
}

#[derive(Debug)]
struct Shared {
    signals: Signals,
    done: Notifier,
}

impl MessageIsr<1> for Shared {
    type Message = RngMessage;

    fn on_message(&self, RngMessage::Done: RngMessage, isr: &InIsr<'_>) {
        if self.signals.is_live() {
            self.done.notify(isr);
        }
    }
}

impl LineIsr for Shared {
    fn on_line(&self, isr: &InIsr<'_>) -> Claim {
        let Some(cause) = self.signals.take() else { return Claim::NotMine };
        if cause.contains(Cause::QUEUE) {
            self.done.notify(isr);
        }
        Claim::Mine
    }
}

/// A source of random bytes.
#[derive(Debug)]
pub struct VirtioRng {
    // First, so that the device has let go of memory and interrupts when these go.
    device: Running,
    _interrupts: Interrupts<1, Shared, Live>,
    queue: Queue<DmaBuffer>,
    done: Waiter,
    /// The buffer, unless the device has it.
    idle: Option<DmaBuffer>,
    /// Bytes of the buffer that nobody has had yet.
    fresh: usize,
}

impl Driver for VirtioRng {
    const NAME: &'static str = "virtio-rng";
    const MATCHES: &'static [Id] = &[Id::new(VENDOR, 0x1044), Id::new(VENDOR, 0x1005)];

    fn probe(function: Function) -> Result<Self, ProbeError> {
        let (transport, irq, dma) = Transport::open(function)?;
        let (setup, _) = transport.negotiate(NoFeatures::empty())?;
        let (notifier, done) = event();
        let shared = Arc::new(Shared { signals: setup.signals(), done: notifier });
        let interrupts = irq.grant()?;
        let queue = setup.queue(0, &dma, Shape { size: 4, longest: 1 }, interrupts.entry(RngMessage::Done))?;
        let idle = Some(dma.buffer(CHUNK)?);
        let interrupts = interrupts.register(shared).unmask();
        Ok(Self { device: setup.start(), _interrupts: interrupts, queue, done, idle, fresh: 0 })
    }
}

impl VirtioRng {
    /// Fills `bytes` with random ones. May be dropped half-way: the bytes on their way then serve the next call.
    ///
    /// # Errors
    /// [`RngError`] when the device does not keep to the rules; it is set aside then.
    pub async fn fill(&mut self, bytes: &mut [u8]) -> Result<(), RngError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            if let Some(buffer) = self.idle.as_mut().filter(|_| self.fresh > 0) {
                let count = self.fresh.min(rest.len());
                let (now, later) = rest.split_at_mut(count);
                // From the back, and never twice: random bytes are secrets of whoever had them.
                let source = &mut buffer[self.fresh - count..self.fresh];
                now.copy_from_slice(source);
                source.fill(0);
                self.fresh -= count;
                rest = later;
                continue;
            }
            poll_fn(|context| self.poll_refill(context)).await?;
        }
        Ok(())
    }

    /// Has the device fill the buffer, and waits until it did.
    fn poll_refill(&mut self, context: &Context<'_>) -> Poll<Result<(), RngError>> {
        if let Some(buffer) = self.idle.take() {
            if let Err((error, buffer)) = self.queue.submit(buffer) {
                self.idle = Some(buffer);
                return Poll::Ready(Err(self.give_up(error)));
            }
            self.queue.kick();
        }
        loop {
            match self.queue.complete() {
                Ok(Some((_, 0))) => return Poll::Ready(Err(self.give_up(RngError::Nothing))),
                Ok(Some((buffer, length))) => {
                    // No more than the buffer: the queue has checked it.
                    self.fresh = length as usize;
                    self.idle = Some(buffer);
                    return Poll::Ready(Ok(()));
                }
                Ok(None) => {}
                Err(error) => return Poll::Ready(Err(self.give_up(error))),
            }
            if self.queue.enable_notifications() {
                continue;
            }
            if self.done.poll_wait(context).is_pending() {
                return Poll::Pending;
            }
        }
    }

    fn give_up(&mut self, error: impl Into<RngError>) -> RngError {
        let error = error.into();
        if error != RngError::Queue(QueueError::Dead) {
            self.device.quarantine(error);
        }
        error
    }
}

/// Why there are no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RngError {
    /// The device broke the rules of the queue.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The device gave a buffer back without a single byte (5.4.6.2 forbids it).
    #[error("the device returned no bytes")]
    Nothing,
}
