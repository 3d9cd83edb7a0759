//! A logical unit that is a disk or a CD.

use alloc::sync::Arc;
use core::cell::Cell;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use core::task::{Context, Poll};

use super::host::{Access, Host};
use super::lun::Lun;
use super::request::MAX_REQUEST_BYTES;
use crate::interfaces::block::{BlockDevice, BlockError, BlockRequest, Geometry, Ticket, Transfer};
use crate::requests;

/// How often requests are begun again that the unit refuses for the moment, until one of them succeeds.
const MAX_REFUSALS: usize = 16;

/// What is known of a logical unit.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) lun: Lun,
    /// The size of a logical block, as a power of two of bytes.
    pub(super) block_bits: u32,
    pub(super) is_cd: bool,
    pub(super) is_read_only: bool,
    /// The most blocks of an UNMAP; 0 for none.
    pub(super) unmap_blocks: u32,
    pub(super) blocks: AtomicU64,
    pub(super) is_gone: AtomicBool,
}

/// A disk or a CD of a virtio SCSI adapter; a CD is a read-only disk.
#[derive(Debug)]
pub struct ScsiDisk {
    pub(super) host: Arc<Host>,
    pub(super) unit: Arc<Unit>,
    is_closed: AtomicBool,
    refusals: AtomicUsize,
}

impl ScsiDisk {
    pub(super) fn new(host: Arc<Host>, unit: Arc<Unit>) -> Self {
        Self { host, unit, is_closed: AtomicBool::new(false), refusals: AtomicUsize::new(0) }
    }

    fn access(&self) -> Access<'_> {
        Access { host: &self.host, lun: self.unit.lun, unit: Some(&self.unit), cdb: None, is_refused: Cell::new(false) }
    }

    fn is_gone(&self) -> bool {
        self.unit.is_gone.load(Ordering::Acquire) || self.host.is_gone()
    }
}

impl BlockDevice for ScsiDisk {
    /// Returns the present capacity, also after the host has resized the disk.
    fn geometry(&self) -> Option<Geometry> {
        if self.is_gone() {
            return None;
        }
        let Unit { block_bits, is_read_only, unmap_blocks, .. } = *self.unit;
        Some(Geometry {
            capacity: self.unit.blocks.load(Ordering::Relaxed) << (block_bits - 9),
            block_bytes: 1 << block_bits,
            is_read_only,
            max_transfer_bytes: MAX_REQUEST_BYTES,
            max_discard_bytes: (unmap_blocks as usize) << block_bits,
            max_write_zeroes_bytes: 0,
        })
    }

    fn poll_request(&self, request: &mut BlockRequest<'_>, context: &mut Context<'_>) -> Poll<Result<(), BlockError>> {
        if self.is_closed.load(Ordering::Acquire) || self.is_gone() && request.ticket.number.is_none() {
            self.abandon(&mut request.ticket);
            return Poll::Ready(Err(BlockError::Gone { sector: request.sector }));
        }
        if matches!(request.transfer, Transfer::Flush) && self.unit.is_read_only {
            return Poll::Ready(Ok(()));
        }
        let refusals = self.refusals.load(Ordering::Relaxed);
        let mut attempts = MAX_REFUSALS.saturating_sub(refusals);
        let before = attempts;
        let poll = self.access().poll(request, context, &mut attempts);
        let refusals = if matches!(poll, Poll::Ready(Ok(()))) { 0 } else { refusals + (before - attempts) };
        self.refusals.store(refusals, Ordering::Relaxed);
        poll
    }

    fn abandon(&self, ticket: &mut Ticket) {
        requests::abandon(&self.access(), ticket);
    }

    /// Ends all requests of this disk; those of other units go on. Their tasks are woken when the device has finished them.
    fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.host.requests.wake();
    }

    fn set_poll_budget_ns(&self, poll_budget_ns: u64) {
        self.host.requests.set_poll_budget_ns(poll_budget_ns);
    }
}
