//! One request to the namespace: its data, the pages of it, and the queue of requests.

#![expect(clippy::vec_box, reason = "requests are large, and moved with each use")]

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use switchboard::dma::{BusAddress, DmaBuffer, DmaError, DmaPort, DmaShared};
use switchboard::driver::ProbeError;
use switchboard::mmio::Bar;

use super::command::{CommandStatus, NoData, OnePage, Operation, Pages};
use super::queue::{QueueError, QueuePair};
use super::registers::{INTMC, INTMS, Registers};
use crate::requests::{Indexed, RequestQueue};

/// The size of a page, and the most bytes of data in one request: the size of its buffer.
const PAGE_BYTES: usize = 4096;
pub(super) const MAX_REQUEST_BYTES: usize = 32 * 1024;
/// Entries in the list of a request's pages after the first; a power of two, so that no list crosses a page.
const LIST_ENTRIES: usize = MAX_REQUEST_BYTES / PAGE_BYTES;

/// The memory of one request, which is reused for others.
#[derive(Debug)]
pub(crate) struct Request {
    index: usize,
    operation: Operation,
    /// The buffer for data. Not the caller's, which may be freed while the controller has the request. Allocated on first use.
    data: Option<DmaBuffer>,
    length: usize,
    /// The time of the last check of timeouts before it was submitted.
    pub(super) submitted_ns: u64,
    /// The addresses of the buffer's pages after the first (4.3).
    list: DmaShared<[BusAddress; LIST_ENTRIES]>,
}

impl Request {
    /// Allocates `count` requests.
    pub(super) fn allocate(count: usize, dma: &DmaPort) -> Result<Vec<Box<Self>>, ProbeError> {
        let mut lists = dma.region(count * size_of::<[BusAddress; LIST_ENTRIES]>())?;
        let request = |index| {
            let list = lists.carve(1, size_of::<[BusAddress; LIST_ENTRIES]>())?;
            Some(Box::new(Self {
                index,
                operation: Operation::default(),
                data: None,
                length: 0,
                submitted_ns: 0,
                list,
            }))
        };
        let requests: Option<Vec<_>> = (0..count).map(request).collect();
        requests.ok_or(ProbeError::Device("the lists of pages do not fit into their memory"))
    }

    /// Prepares a request of `length` bytes.
    pub(super) fn prepare(&mut self, operation: Operation, length: usize, dma: &DmaPort) -> Result<(), DmaError> {
        if self.data.is_none() && length > 0 {
            let data = dma.buffer(MAX_REQUEST_BYTES)?;
            // The buffer is longer than its last page's offset, so no address is missing; the last entry is not used.
            let page = |page: usize| data.bus_at((page + 1) * PAGE_BYTES).unwrap_or(data.bus());
            self.list.write(0, core::array::from_fn(page));
            self.data = Some(data);
        }
        (self.operation, self.length) = (operation, length);
        Ok(())
    }

    /// Returns its data.
    pub(super) fn data(&mut self) -> &mut [u8] {
        self.data.as_mut().map_or(&mut [], |data| &mut data[..self.length])
    }
}

impl Indexed for Request {
    fn index(&self) -> usize {
        self.index
    }
}

/// The I/O queue with its requests.
#[derive(Debug)]
pub(crate) struct IoQueue {
    pub(super) pair: QueuePair<Box<Request>>,
    /// The registers that mask the line; `None` with messages.
    pub(super) line_mask: Option<Arc<Bar<Registers>>>,
    /// The time of the last check of timeouts.
    pub(super) now_ns: u64,
}

impl IoQueue {
    /// Keeps a request while the controller is reset.
    #[cold]
    fn keep(&mut self, outcome: Submitted) -> Submitted {
        match outcome {
            Err((QueueError::Stopped, request)) => match u16::try_from(request.index) {
                Ok(id) => self.pair.keep(id, request),
                Err(_) => Err((QueueError::Dead, request)),
            },
            outcome => outcome,
        }
    }
}

/// The outcome of a submission, with the request that was not submitted.
type Submitted = Result<(), (QueueError, Box<Request>)>;

impl RequestQueue for IoQueue {
    type Request = Request;
    type Report = CommandStatus;
    type Error = QueueError;

    fn submit(&mut self, mut request: Box<Request>) -> Submitted {
        request.submitted_ns = self.now_ns;
        let Ok(id) = u16::try_from(request.index) else { return Err((QueueError::Dead, request)) };
        let (operation, pages) = (request.operation, request.length.div_ceil(PAGE_BYTES));
        let Some(data) = request.data.as_ref().filter(|_| pages > 0) else {
            let outcome = self.pair.submit(id, operation, NoData::default(), request);
            return if outcome.is_err() { self.keep(outcome) } else { outcome };
        };
        let first = data.bus();
        let outcome = match (pages, data.bus_at(PAGE_BYTES)) {
            (2, Some(rest)) => self.pair.submit(id, operation, Pages { first, rest }, request),
            (3.., _) => self.pair.submit(id, operation, Pages { first, rest: request.list.bus() }, request),
            _ => self.pair.submit(id, operation, OnePage::new(first), request),
        };
        if outcome.is_err() { self.keep(outcome) } else { outcome }
    }

    fn complete(&mut self) -> Result<Option<(Box<Request>, CommandStatus)>, QueueError> {
        self.pair.complete()
    }

    #[inline]
    fn has_used(&self) -> bool {
        self.pair.has_completion()
    }

    fn kick(&mut self) {
        self.pair.kick();
    }

    #[inline]
    fn unkicked(&self) -> u16 {
        self.pair.unkicked()
    }

    #[inline]
    fn in_flight(&self) -> u16 {
        self.pair.in_flight()
    }

    /// Messages are always sent. The line stays asserted while there are completions, so they are reported before it is unmasked.
    fn enable_notifications(&mut self) -> bool {
        self.pair.report_head();
        if let Some(registers) = &self.line_mask {
            registers.write(&INTMC, 1);
        }
        self.pair.has_completion()
    }

    fn disable_notifications(&mut self) {
        if let Some(registers) = &self.line_mask {
            registers.write(&INTMS, 1);
        }
    }

    fn abandon(&mut self) {
        self.pair.abandon();
    }
}
