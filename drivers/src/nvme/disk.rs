//! A namespace as a disk.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll};

use atomic_waker::AtomicWaker;

use super::command::CommandStatus;
use super::inner::Inner;
use super::namespace::Namespace;
use super::queue::QueueError;
use super::request::{IoQueue, Request};
use crate::interfaces::block::{BlockDevice, BlockError, BlockRequest, Geometry, Ticket, Transfer};
use crate::requests::{self, RequestDriver, Requests};

/// NVM commands (NVM Command Set, 6).
const FLUSH: u8 = 0x00;
const WRITE: u8 = 0x01;
const READ: u8 = 0x02;
const WRITE_ZEROES: u8 = 0x08;

/// In the number of a ticket: the request is in the queues for all but reads.
const WRITE_PAIR: usize = 1 << 16;

/// A namespace of an NVMe controller. The controller runs while [`Nvme`](super::Nvme) or a namespace of it lives.
#[derive(Debug)]
pub struct NvmeDisk {
    pub(super) inner: Arc<Inner>,
    /// The index of the namespace.
    index: usize,
    is_closed: AtomicBool,
}

impl NvmeDisk {
    /// Returns the disk of a namespace by its index, if there is one.
    pub(super) fn new(inner: &Arc<Inner>, index: usize) -> Option<Self> {
        inner.namespaces.get(index)?;
        Some(Self { inner: inner.clone(), index, is_closed: AtomicBool::new(false) })
    }

    #[inline]
    fn namespace(&self) -> &Namespace {
        &self.inner.namespaces[self.index]
    }

    fn reads(&self) -> Pair<'_> {
        Pair { disk: self, requests: &self.inner.reads, collector: &self.inner.shared.collectors[0] }
    }

    fn writes(&self) -> Option<Pair<'_>> {
        let requests = self.inner.writes.as_ref()?;
        Some(Pair { disk: self, requests, collector: &self.inner.shared.collectors[1] })
    }
}

/// One pair of queues, for the requests to one namespace.
struct Pair<'a> {
    disk: &'a NvmeDisk,
    requests: &'a Requests<IoQueue>,
    collector: &'a AtomicWaker,
}

impl RequestDriver for Pair<'_> {
    type Queue = IoQueue;

    #[inline]
    fn requests(&self) -> &Requests<IoQueue> {
        self.requests
    }

    #[inline]
    fn collector(&self) -> &AtomicWaker {
        self.collector
    }

    fn prepare(&self, prepared: &mut Request, request: &BlockRequest<'_>) -> Result<(), BlockError> {
        let (sector, length, namespace) = (request.sector, request.length, self.disk.namespace());
        let (operation, bytes) = match request.transfer {
            Transfer::Read(_) => (namespace.operation(READ, sector, length), length),
            Transfer::Write(_) => (namespace.operation(WRITE, sector, length), length),
            Transfer::Flush => (namespace.operation(FLUSH, sector, 0), 0),
            Transfer::WriteZeroes => (namespace.operation(WRITE_ZEROES, sector, length), 0),
            Transfer::Discard => (namespace.deallocation(), size_of::<[u8; 16]>()),
        };
        let dma = &self.disk.inner.dma;
        prepared.prepare(operation, bytes, dma).map_err(|_| BlockError::NoMemory { sector })?;
        match request.transfer {
            Transfer::Write(data) => prepared.data().copy_from_slice(data),
            Transfer::Discard => prepared.data().copy_from_slice(&namespace.range(sector, length)),
            _ => {}
        }
        Ok(())
    }

    fn finish(
        &self,
        finished: &mut Request,
        status: CommandStatus,
        request: &mut BlockRequest<'_>,
    ) -> Result<(), BlockError> {
        let sector = request.sector;
        if !status.is_success() {
            let address = self.disk.inner.controller.address;
            log::debug!("{address}: nvme: status {:#x} at sector {sector}", status.code());
            return Err(match () {
                () if status.is_timeout() => BlockError::TimedOut { sector },
                () if status.is_unsupported() => BlockError::Unsupported { sector },
                () => BlockError::Io { sector },
            });
        }
        if let Transfer::Read(take) = &mut request.transfer {
            take(finished.data());
        }
        Ok(())
    }

    fn quarantine(&self, error: QueueError, sector: u64) -> BlockError {
        let inner = &self.disk.inner;
        if inner.controller.presence.is_gone() {
            return BlockError::Gone { sector };
        }
        if error != QueueError::Dead {
            inner.quarantine(&error);
        }
        BlockError::Quarantined { sector }
    }

    #[inline]
    fn has_change(&self) -> bool {
        self.disk.inner.has_change()
    }

    fn handle_change(&self) {
        self.disk.inner.handle_change();
    }
}

impl BlockDevice for NvmeDisk {
    /// Returns the present capacity, also after the namespace was resized.
    fn geometry(&self) -> Option<Geometry> {
        if self.inner.has_change() {
            self.inner.handle_change();
        }
        let is_gone = self.is_closed.load(Ordering::Relaxed);
        if is_gone { None } else { self.namespace().geometry(&self.inner.limits) }
    }

    #[inline]
    fn poll_request(&self, request: &mut BlockRequest<'_>, context: &mut Context<'_>) -> Poll<Result<(), BlockError>> {
        if self.is_closed.load(Ordering::Relaxed) {
            self.abandon(&mut request.ticket);
            return Poll::Ready(Err(BlockError::Gone { sector: request.sector }));
        }
        // Without a cache, completed writes are durable (5.15.2.2, VWC).
        if matches!(request.transfer, Transfer::Flush) && !self.inner.limits.has_cache {
            return Poll::Ready(Ok(()));
        }
        if !matches!(request.transfer, Transfer::Read(_))
            && let Some(pair) = self.writes()
        {
            request.ticket.number = request.ticket.number.map(|number| number & !WRITE_PAIR);
            let outcome = requests::poll_request(&pair, request, context);
            request.ticket.number = request.ticket.number.map(|number| number | WRITE_PAIR);
            return outcome;
        }
        requests::poll_request(&self.reads(), request, context)
    }

    fn abandon(&self, ticket: &mut Ticket) {
        let is_write = ticket.number.is_some_and(|number| number & WRITE_PAIR != 0);
        ticket.number = ticket.number.map(|number| number & !WRITE_PAIR);
        if let Some(pair) = self.writes() {
            // A ticket without a number waits for a request of one pair or the other.
            let number = if is_write { ticket.number.take() } else { None };
            requests::abandon(&pair, &mut Ticket { number, waker: ticket.waker.clone() });
        }
        requests::abandon(&self.reads(), ticket);
    }

    fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.inner.pairs().for_each(|requests| requests.take_out(|_| alloc::vec::Vec::new()));
    }

    fn set_poll_budget_ns(&self, poll_budget_ns: u64) {
        self.inner.pairs().for_each(|requests| requests.set_poll_budget_ns(poll_budget_ns));
    }

    fn check_timeouts(&self) -> Option<u64> {
        self.inner.check_timeouts()
    }
}
