//! virtio-blk: a disk with one queue, and many requests in flight (virtio 1.2, 5.2).

mod config;
mod interrupt;
mod request;
#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::task::{Context, Poll};

use atomic_waker::AtomicWaker;
use switchboard::dma::DmaPort;
use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::function::Function;
use switchboard::interrupt::{Interrupts, Live};
use switchboard::mmio::Bar;
use zerocopy::IntoBytes;

use self::config::{BlkConfig, BlkFeatures, Limits, RangeLimits, read_capacity};
pub use self::interrupt::BlkMessage;
use self::request::{Request, RequestKind, SectorRange};
use super::queue::{Queue, QueueError, QueueParameters};
use super::request_handlers::RequestHandlers;
use super::{Running, Transport, VENDOR};
use crate::interfaces::block::{BlockDevice, BlockError, BlockRequest, Geometry, SECTOR_SIZE, Ticket, Transfer};
use crate::requests::{self, RequestDriver, Requests};

/// The most requests in flight.
const MAX_REQUESTS: usize = 128;
/// The size of the queue: a chain takes one descriptor with indirect tables, and one for each segment without.
const DESCRIPTORS: u16 = 256;

/// A virtio disk.
#[derive(Debug)]
pub struct VirtioBlk {
    // The first field, so that the device is reset before its memory and interrupts are freed.
    device: Running,
    _interrupts: Interrupts<2, RequestHandlers<BlkMessage>, Live>,
    requests: Requests<Queue<Box<Request>>>,
    dma: DmaPort,
    shared: Arc<RequestHandlers<BlkMessage>>,
    config: Bar<BlkConfig>,
    features: BlkFeatures,
    limits: Limits,
    ranges: RangeLimits,
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
        let ranges = RangeLimits::read(&setup, features, limits.block_bytes)?;
        let interrupts = irq.grant()?;
        setup.set_config_entry(interrupts.entry(BlkMessage::Config))?;
        let shape = QueueParameters { size: DESCRIPTORS, max_segments: limits.max_segments() };
        let queue = setup.queue(0, &dma, shape, interrupts.entry(BlkMessage::Done))?;
        let shared = Arc::new(RequestHandlers::new(setup.interrupt_status(), queue.watch()));
        // No more requests than fit into the queue, so that one that is idle can always be submitted.
        let count = MAX_REQUESTS.min(queue.max_chains().into());
        if count == 0 {
            let (wanted, found) = (limits.max_segments().into(), queue.free().into());
            return Err(ProbeError::Unexpected { what: "descriptors for a virtio-blk request", wanted, found });
        }
        let requests = Requests::new(queue, Request::allocate(count, &dma, limits)?, clock);
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
            ranges,
            capacity: AtomicU64::new(capacity),
            finished: AtomicU64::new(0),
            is_closed: AtomicBool::new(false),
        })
    }
}

impl VirtioBlk {
    /// Returns the number of requests that the device has finished, with success or an error.
    #[must_use]
    pub fn finished(&self) -> u64 {
        self.finished.load(Ordering::Relaxed)
    }

    /// Returns the number of kicks that were needed.
    #[must_use]
    pub fn kicks(&self) -> u64 {
        self.requests.with_queue(|queue| queue.kicks())
    }
}

impl VirtioBlk {
    /// Prepares a request for a range of sectors, which is its data.
    #[cold]
    fn prepare_range(
        &self,
        prepared: &mut Request,
        kind: RequestKind,
        request: &BlockRequest<'_>,
    ) -> Result<(), BlockError> {
        let sector = request.sector;
        let sectors = u32::try_from(request.length / SECTOR_SIZE).map_err(|_| BlockError::Unsupported { sector })?;
        let range = SectorRange { sector, sectors, flags: 0 };
        let bytes = range.as_bytes();
        let result = prepared.prepare(kind, 0, bytes.len(), &self.dma, self.limits.request_bytes);
        result.map_err(|_| BlockError::NoMemory { sector })?;
        prepared.data().copy_from_slice(bytes);
        Ok(())
    }
}

impl RequestDriver for VirtioBlk {
    type Queue = Queue<Box<Request>>;

    #[inline]
    fn requests(&self) -> &Requests<Self::Queue> {
        &self.requests
    }

    #[inline]
    fn collector(&self) -> &AtomicWaker {
        &self.shared.collector
    }

    #[inline]
    fn prepare(&self, prepared: &mut Request, request: &BlockRequest<'_>) -> Result<(), BlockError> {
        let (sector, length) = (request.sector, request.length);
        let kind = match request.transfer {
            Transfer::Read(_) => RequestKind::Read,
            Transfer::Write(_) => RequestKind::Write,
            Transfer::Flush => RequestKind::Flush,
            Transfer::Discard => return self.prepare_range(prepared, RequestKind::Discard, request),
            Transfer::WriteZeroes => return self.prepare_range(prepared, RequestKind::WriteZeroes, request),
        };
        let result = prepared.prepare(kind, sector, length, &self.dma, self.limits.request_bytes);
        result.map_err(|_| BlockError::NoMemory { sector })?;
        if let Transfer::Write(data) = request.transfer {
            prepared.data().copy_from_slice(data);
        }
        Ok(())
    }

    #[inline]
    fn finish(&self, finished: &mut Request, written: u32, request: &mut BlockRequest<'_>) -> Result<(), BlockError> {
        self.finished.fetch_add(1, Ordering::Relaxed);
        finished.outcome(request.sector, written)?;
        if let Transfer::Read(take) = &mut request.transfer {
            take(finished.data());
        }
        Ok(())
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

    #[inline]
    fn has_change(&self) -> bool {
        self.device.presence().is_gone() || self.shared.is_changed.load(Ordering::Acquire)
    }

    /// Handles a new capacity, a fatal error, or the removal of the device.
    #[cold]
    fn handle_change(&self) {
        if self.device.presence().is_gone() {
            self.requests.abandon();
            return;
        }
        if !self.shared.is_changed.swap(false, Ordering::AcqRel) {
            return;
        }
        if self.device.needs_reset() {
            self.device.quarantine("it reports that it needs a reset");
            self.requests.abandon();
            return;
        }
        match self.device.read_config(|| read_capacity(&self.config)) {
            // All ones may be a capacity, or the value read from a removed device.
            Ok(u64::MAX) if self.device.presence().confirm().is_err() => self.requests.abandon(),
            Ok(capacity) => self.capacity.store(capacity, Ordering::Relaxed),
            Err(error) => log::warn!("{}: {error}", self.device.address()),
        }
    }
}

impl BlockDevice for VirtioBlk {
    /// Returns the present capacity, also after the host has resized the disk.
    fn geometry(&self) -> Option<Geometry> {
        if self.has_change() {
            self.handle_change();
        }
        let block_sectors = (self.limits.block_bytes / SECTOR_SIZE) as u64;
        let capacity = self.capacity.load(Ordering::Relaxed);
        Some(Geometry {
            // The size of a block is a power of two.
            capacity: capacity & !(block_sectors - 1),
            block_bytes: self.limits.block_bytes,
            is_read_only: self.features.contains(BlkFeatures::RO),
            max_transfer_bytes: self.limits.request_bytes,
            max_discard_bytes: self.ranges.discard_bytes,
            max_write_zeroes_bytes: self.ranges.write_zeroes_bytes,
        })
    }

    fn poll_request(&self, request: &mut BlockRequest<'_>, context: &mut Context<'_>) -> Poll<Result<(), BlockError>> {
        // Without a cache, completed writes are durable (5.2.6.2).
        if matches!(request.transfer, Transfer::Flush) && !self.features.contains(BlkFeatures::FLUSH) {
            return Poll::Ready(Ok(()));
        }
        requests::poll_request(self, request, context)
    }

    fn abandon(&self, ticket: &mut Ticket) {
        requests::abandon(self, ticket);
    }

    /// Ends all requests. The device may still write to its DMA memory, which is not freed before the driver is dropped.
    fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.requests.abandon();
    }

    fn set_poll_budget_ns(&self, poll_budget_ns: u64) {
        self.requests.set_poll_budget_ns(poll_budget_ns);
    }
}
