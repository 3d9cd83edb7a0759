//! virtio-blk: a disk behind one queue, with many requests under way (virtio 1.2, 5.2).

mod config;
mod request;
mod requests;
#[cfg(test)]
mod tests;

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::task::{Context, Poll};

use atomic_waker::AtomicWaker;
use switchboard::dma::DmaPort;
use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::function::Function;
use switchboard::interrupt::{Claim, InIsr, Interrupts, LineIsr, Live, MessageIsr};
use switchboard::messages;
use switchboard::mmio::Bar;

use self::config::{BlkConfig, BlkFeatures, Limits, read_capacity};
use self::request::{Request, RequestKind};
use self::requests::{IdleWaiter, Pending, Requests};
use super::queue::{QueueError, QueueParameters};
use super::{InterruptCause, InterruptStatus, Running, Transport, VENDOR};
use crate::interfaces::block::{BlockDevice, BlockError, BlockRequest, Geometry, Ticket, Transfer};

/// Requests that may be under way at once.
const REQUESTS: usize = 128;
/// Descriptors wanted: a chain needs one in the indirect case, and its segments otherwise.
const DESCRIPTORS: u16 = 256;

messages! {
    /// The messages of the disk.
    pub enum BlkMessage { Done, Config }
}

/// What the handlers share with the driver.
#[derive(Debug)]
struct Shared {
    status: InterruptStatus,
    /// The task that takes back what the device is done with.
    collector: AtomicWaker,
    is_config_changed: AtomicBool,
}

impl MessageIsr<2> for Shared {
    type Message = BlkMessage;

    fn on_message(&self, message: BlkMessage, _isr: &InIsr<'_>) {
        if !self.status.is_live() {
            return;
        }
        if message == BlkMessage::Config {
            // It may be to say that nothing will be done any more.
            self.is_config_changed.store(true, Ordering::Release);
        }
        self.collector.wake();
    }
}

impl LineIsr for Shared {
    fn on_line(&self, isr: &InIsr<'_>) -> Claim {
        let Some(cause) = self.status.take_cause() else {
            if self.status.is_gone() {
                self.collector.wake();
            }
            return Claim::NotMine;
        };
        if cause.contains(InterruptCause::QUEUE) {
            self.on_message(BlkMessage::Done, isr);
        }
        if cause.contains(InterruptCause::CONFIG) {
            self.on_message(BlkMessage::Config, isr);
        }
        Claim::Mine
    }
}

/// A virtio disk.
#[derive(Debug)]
pub struct VirtioBlk {
    // First, so that the device has let go of memory and interrupts when these go.
    device: Running,
    _interrupts: Interrupts<2, Shared, Live>,
    requests: Requests,
    dma: DmaPort,
    shared: Arc<Shared>,
    config: Bar<BlkConfig>,
    features: BlkFeatures,
    limits: Limits,
    capacity: AtomicU64,
    finished: AtomicU64,
    is_closed: AtomicBool,
}

impl Driver for VirtioBlk {
    const NAME: &'static str = "virtio-blk";
    const MATCHES: &'static [Id] = &[Id::new(VENDOR, 0x1042), Id::new(VENDOR, 0x1001)];

    fn probe(function: Function) -> Result<Self, ProbeError> {
        let clock = function.clock();
        let (transport, irq, dma) = Transport::open(function)?;
        let (setup, features) = transport.negotiate(BlkFeatures::all())?;
        let config = setup.config()?;
        let (capacity, limits) = setup.read_config(|| (read_capacity(&config), Limits::read(&config, features)))?;
        let limits = limits?;
        let shared = Arc::new(Shared {
            status: setup.interrupt_status(),
            collector: AtomicWaker::new(),
            // A change between reading and starting is not announced.
            is_config_changed: AtomicBool::new(true),
        });
        let interrupts = irq.grant()?;
        setup.set_config_entry(interrupts.entry(BlkMessage::Config))?;
        let shape = QueueParameters { size: DESCRIPTORS, max_segments: limits.longest_chain() };
        let queue = setup.queue(0, &dma, shape, interrupts.entry(BlkMessage::Done))?;
        // No more requests than can be under way, so that one in hand can always be submitted.
        let count = REQUESTS.min(queue.max_chains().into());
        if count == 0 {
            let (wanted, found) = (limits.longest_chain().into(), queue.free().into());
            return Err(ProbeError::Unexpected { what: "descriptors for a virtio-blk request", wanted, found });
        }
        let requests = Requests::new(queue, Request::several(count, &dma, limits)?, clock);
        let interrupts = interrupts.register(shared.clone()).unmask();
        Ok(Self {
            device: setup.start(),
            _interrupts: interrupts,
            requests,
            dma,
            shared,
            config,
            features,
            limits,
            capacity: AtomicU64::new(capacity),
            finished: AtomicU64::new(0),
            is_closed: AtomicBool::new(false),
        })
    }
}

impl VirtioBlk {
    /// Requests that the device has finished, well or not.
    #[must_use]
    pub fn finished(&self) -> u64 {
        self.finished.load(Ordering::Relaxed)
    }

    /// Kicks that were needed.
    #[must_use]
    pub fn kicks(&self) -> u64 {
        self.requests.kicks()
    }

    /// Takes an idle request and makes it the one that is wanted, for the device to get.
    #[inline]
    fn begin(&self, wanted: &mut BlockRequest<'_>, context: &mut Context<'_>) -> Poll<Result<Pending<'_>, BlockError>> {
        let (sector, collector) = (wanted.sector, &self.shared.collector);
        let idle = if wanted.ticket.waker.is_none() { self.requests.take_idle(collector) } else { None };
        let mut held = match idle {
            Some(held) => held,
            None => {
                let mut waiter = IdleWaiter::resume(&self.requests, collector, wanted.ticket.waker.take());
                let Poll::Ready(idle) = self.poll(|| waiter.poll(context)) else {
                    wanted.ticket.waker = waiter.suspend();
                    return Poll::Pending;
                };
                idle.map_err(|error| self.quarantine(error, sector))?
            }
        };
        let kind = match wanted.transfer {
            Transfer::Read(_) => RequestKind::Read,
            Transfer::Write(_) => RequestKind::Write,
            Transfer::Flush => RequestKind::Flush,
        };
        let request = held.request();
        let prepared = request.prepare(kind, sector, wanted.length, &self.dma, self.limits.request);
        prepared.map_err(|_| BlockError::NoMemory { sector })?;
        if let Transfer::Write(data) = wanted.transfer {
            request.data().copy_from_slice(data);
        }
        Poll::Ready(Ok(held.submit()))
    }

    fn quarantine(&self, error: QueueError, sector: u64) -> BlockError {
        if self.device.presence().is_gone() || self.is_closed.load(Ordering::Acquire) {
            return BlockError::Gone { sector };
        }
        if error != QueueError::Dead {
            self.device.quarantine(error);
        }
        BlockError::Quarantined { sector }
    }

    /// Polls for something to come from the device. Where it has not come, what the device has announced until then may be
    /// that nothing will.
    #[inline]
    fn poll<T>(&self, mut poll: impl FnMut() -> Poll<T>) -> Poll<T> {
        loop {
            let outcome = poll();
            if outcome.is_ready() || !self.has_news() {
                return outcome;
            }
            self.follow_news();
        }
    }

    #[inline]
    fn has_news(&self) -> bool {
        self.device.presence().is_gone() || self.shared.is_config_changed.load(Ordering::Acquire)
    }

    /// Follows what the device has announced: another capacity, or that it cannot go on. From one that is gone nothing is
    /// expected any more.
    #[cold]
    fn follow_news(&self) {
        if self.device.presence().is_gone() {
            self.requests.abandon();
            return;
        }
        if !self.shared.is_config_changed.swap(false, Ordering::AcqRel) {
            return;
        }
        if self.device.needs_reset() {
            self.device.quarantine("it reports that it needs a reset");
            self.requests.abandon();
            return;
        }
        match self.device.read_config(|| read_capacity(&self.config)) {
            // All ones may be a capacity, and are what a device reads that went away meanwhile.
            Ok(u64::MAX) if self.device.presence().confirm().is_err() => self.requests.abandon(),
            Ok(capacity) => self.capacity.store(capacity, Ordering::Relaxed),
            Err(error) => log::warn!("{}: {error}", self.device.address()),
        }
    }
}

impl BlockDevice for VirtioBlk {
    /// Follows the disk when the host resizes it.
    fn geometry(&self) -> Option<Geometry> {
        if self.has_news() {
            self.follow_news();
        }
        Some(Geometry {
            capacity: self.capacity.load(Ordering::Relaxed),
            is_read_only: self.features.contains(BlkFeatures::RO),
            max_transfer_bytes: self.limits.request,
        })
    }

    fn poll_request(&self, wanted: &mut BlockRequest<'_>, context: &mut Context<'_>) -> Poll<Result<(), BlockError>> {
        let sector = wanted.sector;
        let mut pending = match wanted.ticket.number.take() {
            Some(slot) => Pending::resume(&self.requests, &self.shared.collector, slot),
            // Without a cache to flush, what was written is durable already (5.2.6.2).
            None if matches!(wanted.transfer, Transfer::Flush) && !self.features.contains(BlkFeatures::FLUSH) => {
                return Poll::Ready(Ok(()));
            }
            None => match self.begin(wanted, context) {
                Poll::Ready(begun) => begun?,
                Poll::Pending => return Poll::Pending,
            },
        };
        let Poll::Ready(done) = self.poll(|| pending.poll(context)) else {
            wanted.ticket.number = pending.suspend();
            return Poll::Pending;
        };
        let (mut held, written) = done.map_err(|error| self.quarantine(error, sector))?;
        self.finished.fetch_add(1, Ordering::Relaxed);
        held.request().outcome(sector, written)?;
        if let Transfer::Read(take) = &mut wanted.transfer {
            take(held.request().data());
        }
        Poll::Ready(Ok(()))
    }

    fn abandon(&self, ticket: &mut Ticket) {
        let collector = &self.shared.collector;
        if let Some(slot) = ticket.number.take() {
            drop(Pending::resume(&self.requests, collector, slot));
        }
        if let Some(waker) = ticket.waker.take() {
            drop(IdleWaiter::resume(&self.requests, collector, Some(waker)));
        }
    }

    /// What the device still writes, it writes to memory that is its own until this is dropped.
    fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.requests.abandon();
    }

    fn set_poll_budget_ns(&self, poll_budget_ns: u64) {
        self.requests.set_poll_budget_ns(poll_budget_ns);
    }
}
