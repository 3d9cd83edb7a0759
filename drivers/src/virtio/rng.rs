//! virtio-rng: an entropy source (virtio 1.2, 5.4).

use alloc::sync::Arc;
use core::future::poll_fn;
use core::task::{Context, Poll};

use switchboard::dma::DmaBuffer;
use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::event::{Notifier, Waiter, event};
use switchboard::function::{Function, Gone};
use switchboard::interrupt::{Activity, Claim, InIsr, Interrupts, LineIsr, Live, MessageIsr};
use switchboard::messages;

use super::queue::{Queue, QueueError, QueueParameters, QueueWatch};
use super::{InterruptCause, InterruptStatus, NoFeatures, Running, Transport, VENDOR};
use crate::interfaces::random::RandomDevice;

/// The bytes of one request.
const CHUNK: usize = 256;

/// A virtio entropy source.
#[derive(Debug)]
pub struct VirtioRng {
    // The first field, so that the device is reset before its memory and interrupts are freed.
    device: Running,
    interrupts: Interrupts<1, Shared, Live>,
    queue: Queue<DmaBuffer>,
    done: Waiter,
    /// The buffer, unless the device owns it.
    idle: Option<DmaBuffer>,
    /// Bytes of the buffer that were not returned to callers yet.
    fresh: usize,
}

messages! {
    /// The only message of the device.
    pub enum RngMessage { Done }
}

/// State that the handlers share with the driver.
#[derive(Debug)]
struct Shared {
    status: InterruptStatus,
    done: Notifier,
    watch: QueueWatch,
}

impl MessageIsr<1> for Shared {
    type Message = RngMessage;

    fn on_message(&self, RngMessage::Done: RngMessage, isr: &InIsr<'_>) {
        if self.status.is_live() {
            self.done.notify(isr);
        }
    }

    fn activity(&self, RngMessage::Done: RngMessage) -> Activity {
        self.status.activity(|| self.watch.requests())
    }
}

impl LineIsr for Shared {
    fn on_line(&self, isr: &InIsr<'_>) -> Claim {
        let Some(cause) = self.status.take_cause() else {
            if self.status.is_gone() {
                self.done.notify(isr);
            }
            return Claim::NotMine;
        };
        if cause.contains(InterruptCause::QUEUE) {
            self.done.notify(isr);
        }
        Claim::Mine
    }

    fn activity(&self) -> Activity {
        MessageIsr::activity(self, RngMessage::Done)
    }
}

impl Driver for VirtioRng {
    const NAME: &'static str = "virtio-rng";
    const MATCHES: &'static [Id] = &[Id::new(VENDOR, 0x1044), Id::new(VENDOR, 0x1005)];

    fn probe(function: Function) -> Result<Self, ProbeError> {
        let (transport, irq, dma) = Transport::open(function)?;
        let (setup, _) = transport.negotiate(NoFeatures::empty())?;
        let (notifier, done) = event();
        let interrupts = irq.grant()?;
        let queue =
            setup.queue(0, &dma, QueueParameters { size: 4, max_segments: 1 }, interrupts.entry(RngMessage::Done))?;
        let idle = Some(dma.buffer(CHUNK)?);
        let shared = Arc::new(Shared { status: setup.interrupt_status(), done: notifier, watch: queue.watch() });
        let interrupts = interrupts.register(shared).unmask();
        Ok(Self { device: setup.start(), interrupts, queue, done, idle, fresh: 0 })
    }
}

impl VirtioRng {
    /// Fills `bytes` with random bytes. The future may be dropped: the bytes of a request in flight are for the next call.
    ///
    /// # Errors
    /// [`RngError`] when the device violates the specification, for which it is quarantined, or was removed.
    pub async fn fill(&mut self, bytes: &mut [u8]) -> Result<(), RngError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            if let Some(buffer) = self.idle.as_mut().filter(|_| self.fresh > 0) {
                let count = self.fresh.min(rest.len());
                let (now, later) = rest.split_at_mut(count);
                // From the end, and overwritten: the bytes may become secrets.
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

    /// Submits the buffer, and polls until the device has filled it.
    fn poll_refill(&mut self, context: &Context<'_>) -> Poll<Result<(), RngError>> {
        self.device.presence().check()?;
        if let Some(buffer) = self.idle.take() {
            if let Err((error, buffer)) = self.queue.submit(buffer) {
                self.idle = Some(buffer);
                return Poll::Ready(Err(self.quarantine(error)));
            }
            self.queue.kick();
        }
        loop {
            match self.queue.complete() {
                Ok(Some((_, 0))) => return Poll::Ready(Err(self.quarantine(RngError::Nothing))),
                Ok(Some((buffer, length))) => {
                    // Not longer than the buffer: the queue has checked it.
                    self.fresh = length as usize;
                    self.idle = Some(buffer);
                    self.queue.mark_taken();
                    return Poll::Ready(Ok(()));
                }
                Ok(None) => {}
                Err(error) => return Poll::Ready(Err(self.quarantine(error))),
            }
            if self.queue.enable_notifications() {
                continue;
            }
            if self.done.poll_wait(context).is_pending() {
                return Poll::Pending;
            }
            self.device.presence().check()?;
        }
    }

    /// Quarantines the device, once, while no handler runs: none reads the registers of a device that is being reset.
    fn quarantine(&mut self, error: impl Into<RngError>) -> RngError {
        let error = error.into();
        if error != RngError::Queue(QueueError::Dead) {
            let device = &self.device;
            self.interrupts.synchronize(|_| device.quarantine(error));
            self.queue.abandon();
        }
        error
    }
}

impl RandomDevice for VirtioRng {
    type Error = RngError;

    async fn fill(&mut self, bytes: &mut [u8]) -> Result<(), RngError> {
        Self::fill(self, bytes).await
    }
}

/// The error of an entropy source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RngError {
    /// The device violated the protocol of the queue.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The device was removed.
    #[error(transparent)]
    Gone(#[from] Gone),
    /// The device returned a buffer without a byte, which 5.4.6.2 forbids.
    #[error("the device returned no bytes")]
    Nothing,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::virtio::testing::{self, DeviceQueue, OFFERED};

    #[test]
    fn bytes_are_used_once() {
        let (machine, function) = testing::machine(testing::function(0x1044), OFFERED, 1);
        let address = function.address();
        let mut rng = VirtioRng::probe(function).expect("a good device");
        let mut device_queue = DeviceQueue::from_registers(&machine, address);
        let mut next = 0_u8;
        let mut act = || {
            let chain = device_queue.take().expect("a buffer");
            assert_eq!((chain.segments.len(), chain.segments[0].length), (1, testing::size(CHUNK)));
            // Fewer than requested, and others each time.
            let bytes = [0, 1, 2, 3].map(|offset| next + offset);
            next += 4;
            device_queue.write(chain.segments[0].address, &bytes);
            assert!(device_queue.complete(chain.head.into(), 4));
            machine.send(address, 0).expect("messages are on");
        };
        let (mut first, mut second) = ([0; 6], [0; 2]);
        testing::run(rng.fill(&mut first), &mut act).expect("bytes");
        testing::run(rng.fill(&mut second), &mut act).expect("bytes");
        let mut all: alloc::vec::Vec<u8> = first.into_iter().chain(second).collect();
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn bytes_of_a_dropped_call_are_for_the_next() {
        let (machine, function) = testing::machine(testing::function(0x1044), OFFERED, 1);
        let address = function.address();
        let mut rng = VirtioRng::probe(function).expect("a good device");
        let mut device_queue = DeviceQueue::from_registers(&machine, address);
        let mut bytes = [0; 3];
        {
            let (waker, _) = testing::waker();
            let mut fill = core::pin::pin!(rng.fill(&mut bytes));
            assert!(Future::poll(fill.as_mut(), &mut Context::from_waker(&waker)).is_pending());
        }
        let chain = device_queue.take().expect("a buffer");
        device_queue.write(chain.segments[0].address, &[7, 8, 9]);
        device_queue.complete(chain.head.into(), 3);
        testing::run(rng.fill(&mut bytes), || panic!("the bytes are there")).expect("bytes");
        assert_eq!(bytes, [7, 8, 9]);
    }

    #[test]
    fn a_device_that_returns_nothing_is_quarantined() {
        let (machine, function) = testing::machine(testing::function(0x1044), OFFERED, 1);
        let address = function.address();
        let mut rng = VirtioRng::probe(function).expect("a good device");
        let mut device_queue = DeviceQueue::from_registers(&machine, address);
        let outcome = testing::run(rng.fill(&mut [0]), || {
            let chain = device_queue.take().expect("a buffer");
            device_queue.complete(chain.head.into(), 0);
            machine.send(address, 0).expect("messages are on");
        });
        assert_eq!(outcome, Err(RngError::Nothing));
        let outcome = testing::run(rng.fill(&mut [0]), || panic!("the device was asked"));
        assert_eq!(outcome, Err(RngError::Queue(QueueError::Dead)));
        assert_eq!(machine.read_register(address, 0, testing::COMMON + 20) & 0xff, 0, "it was reset");
    }
}
