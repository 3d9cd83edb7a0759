//! virtio-blk: a disk behind one queue, with many requests under way (virtio 1.2, 5.2).

mod config;
mod request;
mod requests;
#[cfg(test)]
mod tests;

use alloc::sync::Arc;
use core::future::poll_fn;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::task::Poll;

use atomic_waker::AtomicWaker;
use switchboard::bar::Bar;
use switchboard::dma::DmaPort;
use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::function::Function;
use switchboard::interrupt::{Claim, InIsr, Interrupts, LineIsr, Live, MessageIsr};
use switchboard::messages;

use self::config::{BlkConfig, BlkFeatures, Limits, read_capacity};
use self::request::{Kind, Request};
use self::requests::Requests;
use super::queue::{QueueError, Shape};
use super::{Cause, Running, Signals, Transport, VENDOR};
use crate::block::{BlockDevice, BlockError, SECTOR_SIZE};

/// Requests that may be under way at once.
const REQUESTS: usize = 128;
/// Descriptors wanted: a chain needs one in the indirect case, and its segments otherwise.
const DESCRIPTORS: u16 = 256;

messages! {
    /// What the disk tells.
    pub enum BlkMessage { Done, Config }
}

/// What the handlers share with the driver.
#[derive(Debug)]
struct Shared {
    signals: Signals,
    /// The task that takes back what the device is done with.
    collector: AtomicWaker,
    is_config_changed: AtomicBool,
}

impl MessageIsr<2> for Shared {
    type Message = BlkMessage;

    fn on_message(&self, message: BlkMessage, _isr: &InIsr<'_>) {
        if !self.signals.is_live() {
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
        let Some(cause) = self.signals.take() else {
            if self.signals.is_gone() {
                self.collector.wake();
            }
            return Claim::NotMine;
        };
        if cause.contains(Cause::QUEUE) {
            self.on_message(BlkMessage::Done, isr);
        }
        if cause.contains(Cause::CONFIG) {
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
        let clock = function.machine().clock;
        let (transport, irq, dma) = Transport::open(function)?;
        let (setup, features) = transport.negotiate(BlkFeatures::all())?;
        let config = setup.config()?;
        let (capacity, limits) = setup.read_config(|| (read_capacity(&config), Limits::read(&config, features)))?;
        let limits = limits?;
        let shared = Arc::new(Shared {
            signals: setup.signals(),
            collector: AtomicWaker::new(),
            // A change between reading and starting is announced by nobody.
            is_config_changed: AtomicBool::new(true),
        });
        let interrupts = irq.grant()?;
        setup.announce_config(interrupts.entry(BlkMessage::Config))?;
        let shape = Shape { size: DESCRIPTORS, longest: limits.longest_chain() };
        let queue = setup.queue(0, &dma, shape, interrupts.entry(BlkMessage::Done))?;
        // No more requests than can be under way, so that one in hand can always be submitted.
        let count = REQUESTS.min(queue.most_chains().into());
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

    /// Lets no request begin any more, and ends those that are under way: all hear that the disk is
    /// [gone](BlockError::Gone). What the device still writes, it writes to memory that is its own until this is dropped.
    pub fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.requests.abandon();
    }

    /// Kicks that were needed.
    #[must_use]
    pub fn kicks(&self) -> u64 {
        self.requests.kicks()
    }

    /// Has the device carry out one request; `fill` puts data in before, `take` gets it out after.
    async fn carry_out(
        &self,
        kind: Kind,
        sector: u64,
        length: usize,
        fill: impl FnOnce(&mut [u8]),
        take: impl FnOnce(&[u8]),
    ) -> Result<(), BlockError> {
        let collector = &self.shared.collector;
        let quarantined = |error| self.set_aside(error, sector);
        let mut held = match self.requests.take_idle(collector) {
            Some(held) => held,
            None => {
                let mut hopeful = self.requests.idle(collector);
                poll_fn(|context| self.poll(|| hopeful.poll(context))).await.map_err(quarantined)?
            }
        };
        let prepared = held.request().prepare(kind, sector, length, &self.dma, self.limits.request);
        prepared.map_err(|_| BlockError::NoMemory { sector })?;
        fill(held.request().data());
        let mut pending = held.submit();
        let done = poll_fn(|context| self.poll(|| pending.poll(context)));
        let (mut held, written) = done.await.map_err(quarantined)?;
        self.finished.fetch_add(1, Ordering::Relaxed);
        held.request().outcome(sector, written)?;
        take(held.request().data());
        Ok(())
    }

    fn set_aside(&self, error: QueueError, sector: u64) -> BlockError {
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
            self.device.quarantine("it says that it needs a reset");
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

    /// Checks the place of a request on the disk.
    fn check(&self, sector: u64, length: usize) -> Result<(), BlockError> {
        if length == 0 || !length.is_multiple_of(SECTOR_SIZE) {
            return Err(BlockError::NotSectors { sector, length });
        }
        let sectors = (length / SECTOR_SIZE) as u64;
        let is_on = |capacity| sector.checked_add(sectors).is_some_and(|end| end <= capacity);
        if is_on(self.capacity.load(Ordering::Relaxed)) {
            return Ok(());
        }
        // It may have grown.
        let capacity = self.capacity();
        if is_on(capacity) { Ok(()) } else { Err(BlockError::PastEnd { sector, sectors, capacity }) }
    }

    /// The first sector of each piece of a request: `sector` and as many on as pieces were before it.
    fn piece(&self, sector: u64, index: usize) -> u64 {
        sector + (index * (self.limits.request / SECTOR_SIZE)) as u64
    }
}

impl BlockDevice for VirtioBlk {
    /// Follows the disk when the host resizes it.
    fn capacity(&self) -> u64 {
        if self.has_news() {
            self.follow_news();
        }
        self.capacity.load(Ordering::Relaxed)
    }

    fn poll_for(&self, nanoseconds: u64) {
        self.requests.poll_for(nanoseconds);
    }

    fn is_read_only(&self) -> bool {
        self.features.contains(BlkFeatures::RO)
    }

    async fn read(&self, sector: u64, buffer: &mut [u8]) -> Result<(), BlockError> {
        self.check(sector, buffer.len())?;
        for (index, piece) in buffer.chunks_mut(self.limits.request).enumerate() {
            let (at, length) = (self.piece(sector, index), piece.len());
            self.carry_out(Kind::Read, at, length, |_| {}, |data| piece.copy_from_slice(data)).await?;
        }
        Ok(())
    }

    async fn read_in_place(&self, sector: u64, length: usize, mut take: impl FnMut(&[u8])) -> Result<(), BlockError> {
        self.check(sector, length)?;
        let mut start = 0;
        while start < length {
            let (at, piece) = (sector + (start / SECTOR_SIZE) as u64, self.limits.request.min(length - start));
            self.carry_out(Kind::Read, at, piece, |_| {}, &mut take).await?;
            start += piece;
        }
        Ok(())
    }

    async fn write(&self, sector: u64, buffer: &[u8]) -> Result<(), BlockError> {
        self.check(sector, buffer.len())?;
        if self.is_read_only() {
            return Err(BlockError::ReadOnly { sector });
        }
        for (index, piece) in buffer.chunks(self.limits.request).enumerate() {
            let (at, length) = (self.piece(sector, index), piece.len());
            self.carry_out(Kind::Write, at, length, |data| data.copy_from_slice(piece), |_| {}).await?;
        }
        Ok(())
    }

    /// Without a cache to flush, what was written is durable already (5.2.6.2).
    async fn flush(&self) -> Result<(), BlockError> {
        if !self.features.contains(BlkFeatures::FLUSH) {
            return Ok(());
        }
        self.carry_out(Kind::Flush, 0, 0, |_| {}, |_| {}).await
    }
}
