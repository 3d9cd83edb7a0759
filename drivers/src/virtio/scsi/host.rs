//! The adapter that all disks share: queues, access of a unit to them, quarantine.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::Cell;
use core::fmt;
use core::future::poll_fn;
use core::sync::atomic::Ordering;
use core::task::{Context, Poll};

use atomic_waker::AtomicWaker;
use spin::Mutex;
use switchboard::dma::{DmaBuffer, DmaPort};
use switchboard::interrupt::{Interrupts, Live};

use super::disk::Unit;
use super::interrupt::ScsiMessage;
use super::lun::Lun;
use super::request::{CommandError, Direction, Request};
use crate::interfaces::block::{BlockError, BlockRequest, Ticket, Transfer};
use crate::requests::{self, RequestDriver, Requests};
use crate::scsi::{
    Cdb, DATA_PROTECT, ILLEGAL_REQUEST, SYNCHRONIZE_CACHE, UNIT_ATTENTION, UNMAP, UNMAP_BYTES, blocks, read_10,
    unmap_data,
};
use crate::virtio::Running;
use crate::virtio::queue::{Chain, Queue, QueueError, Segments};
use crate::virtio::request_handlers::RequestHandlers;

/// How often a command is sent that a unit refuses for the moment: after a reset, a change of the medium, while it is busy.
const ATTEMPTS: usize = 5;

/// A buffer for an event (virtio 1.2, 5.6.6.3).
pub(super) struct EventBuffer(pub(super) DmaBuffer);

/// The bytes of an event.
pub(super) const EVENT_BYTES: usize = 16;

impl Chain for EventBuffer {
    fn describe(&self, segments: &mut Segments) {
        segments.writable(&self.0, 0..EVENT_BYTES);
    }
}

/// A claimed adapter.
pub(super) struct Host {
    // The first field, so that the device is reset before its memory and interrupts are freed.
    pub(super) device: Running,
    pub(super) _interrupts: Interrupts<2, RequestHandlers<ScsiMessage>, Live>,
    pub(super) requests: Requests<Queue<Box<Request>>>,
    pub(super) events: Mutex<Queue<EventBuffer>>,
    pub(super) dma: DmaPort,
    pub(super) shared: Arc<RequestHandlers<ScsiMessage>>,
    pub(super) max_target: u8,
    /// The units that are known.
    pub(super) units: Mutex<Vec<Arc<Unit>>>,
}

impl Host {
    /// Takes all events. Returns whether there were any.
    pub(super) fn take_events(&self) -> bool {
        let events = &mut *self.events.lock();
        let mut has_events = false;
        loop {
            match events.complete() {
                Ok(Some((buffer, _))) => {
                    has_events = true;
                    drop(events.submit(buffer));
                    events.kick();
                }
                Ok(None) if events.enable_notifications() => {}
                Ok(None) => return has_events,
                Err(_) => return false,
            }
        }
    }

    /// Carries out a command of the driver's own. Returns what was read.
    pub(super) async fn command(&self, lun: Lun, cdb: Cdb, length: usize) -> Result<Vec<u8>, BlockError> {
        let access = Access { host: self, lun, unit: None, cdb: Some(cdb), is_refused: Cell::new(false) };
        let mut data = Vec::new();
        let mut take = |bytes: &[u8]| data.extend_from_slice(bytes);
        let (transfer, ticket) = (Transfer::Read(&mut take), Ticket::default());
        let mut request = BlockRequest { sector: 0, length, transfer, ticket };
        let mut attempts = ATTEMPTS;
        poll_fn(|context| access.poll(&mut request, context, &mut attempts)).await?;
        Ok(data)
    }

    /// Returns whether no request is carried out any more, as the adapter was removed.
    pub(super) fn is_gone(&self) -> bool {
        self.device.presence().is_gone()
    }
}

/// The access of a unit to the queue, during one poll.
pub(super) struct Access<'a> {
    pub(super) host: &'a Host,
    pub(super) lun: Lun,
    pub(super) unit: Option<&'a Unit>,
    /// The command, instead of one for blocks.
    pub(super) cdb: Option<Cdb>,
    /// The unit has refused the command for the moment.
    pub(super) is_refused: Cell<bool>,
}

impl Access<'_> {
    /// Polls a request, and begins it again where the unit refuses it for the moment.
    pub(super) fn poll(
        &self,
        request: &mut BlockRequest<'_>,
        context: &mut Context<'_>,
        attempts: &mut usize,
    ) -> Poll<Result<(), BlockError>> {
        loop {
            let poll = requests::poll_request(self, request, context);
            if !self.is_refused.take() || *attempts == 0 {
                return poll;
            }
            *attempts -= 1;
        }
    }
}

impl RequestDriver for Access<'_> {
    type Queue = Queue<Box<Request>>;

    #[inline]
    fn requests(&self) -> &Requests<Self::Queue> {
        &self.host.requests
    }

    #[inline]
    fn collector(&self) -> &AtomicWaker {
        &self.host.shared.collector
    }

    fn prepare(&self, prepared: &mut Request, request: &BlockRequest<'_>) -> Result<(), BlockError> {
        let (sector, length) = (request.sector, request.length);
        let (bits, is_cd) = self.unit.map_or((9, false), |unit| (unit.block_bits, unit.is_cd));
        let block = sector >> (bits - 9);
        let count = u32::try_from(length >> bits).unwrap_or(u32::MAX);
        let (cdb, direction, bytes) = match (self.cdb, &request.transfer) {
            (Some(cdb), _) => (cdb, Direction::In, length),
            (None, Transfer::Read(_)) if is_cd => (read_10(block, count), Direction::In, length),
            (None, Transfer::Read(_)) => (blocks(false, block, count), Direction::In, length),
            (None, Transfer::Write(_)) => (blocks(true, block, count), Direction::Out, length),
            (None, Transfer::Flush) => (SYNCHRONIZE_CACHE, Direction::In, 0),
            (None, Transfer::Discard) => (UNMAP, Direction::Out, UNMAP_BYTES),
            (None, Transfer::WriteZeroes) => return Err(BlockError::Unsupported { sector }),
        };
        let result = prepared.prepare(self.lun, &cdb, direction, bytes, &self.host.dma);
        result.map_err(|_| BlockError::NoMemory { sector })?;
        match request.transfer {
            Transfer::Write(data) => prepared.data().copy_from_slice(data),
            Transfer::Discard => prepared.data().copy_from_slice(&unmap_data(block, count)),
            _ => {}
        }
        Ok(())
    }

    fn finish(&self, finished: &mut Request, written: u32, request: &mut BlockRequest<'_>) -> Result<(), BlockError> {
        let (sector, length) = (request.sector, request.length);
        let error = match finished.outcome(written) {
            // What blocks are read is as long as was requested.
            Ok(transferred) if self.cdb.is_some() || transferred >= length || !is_read(request) => {
                if let Transfer::Read(take) = &mut request.transfer {
                    take(&finished.data()[..transferred]);
                }
                return Ok(());
            }
            Ok(_) => CommandError::Short,
            Err(error) => error,
        };
        log::debug!("{}: virtio-scsi: {}: sector {sector}: {error}", self.host.device.address(), self.lun);
        Err(match error {
            CommandError::NoUnit => BlockError::Gone { sector },
            CommandError::Sense(sense) if sense.key == ILLEGAL_REQUEST => BlockError::Unsupported { sector },
            CommandError::Sense(sense) if sense.key == DATA_PROTECT => BlockError::ReadOnly { sector },
            other => {
                let is_attention = matches!(other, CommandError::Sense(sense) if sense.key == UNIT_ATTENTION);
                self.is_refused.set(is_attention || other == CommandError::Busy);
                BlockError::Io { sector }
            }
        })
    }

    fn quarantine(&self, error: QueueError, sector: u64) -> BlockError {
        if self.host.is_gone() {
            return BlockError::Gone { sector };
        }
        if error != QueueError::Dead {
            self.host.device.quarantine(error);
        }
        BlockError::Quarantined { sector }
    }

    #[inline]
    fn has_change(&self) -> bool {
        self.host.is_gone() || self.host.shared.is_changed.load(Ordering::Acquire)
    }

    /// Handles a fatal error, or the removal of the adapter. Units that come and go are handled by the controller.
    #[cold]
    fn handle_change(&self) {
        if self.host.is_gone() {
            self.host.requests.abandon();
            return;
        }
        if self.host.shared.is_changed.swap(false, Ordering::AcqRel) && self.host.device.needs_reset() {
            if self.host.device.presence().confirm().is_ok() {
                self.host.device.quarantine("it reports that it needs a reset");
            }
            self.host.requests.abandon();
        }
    }
}

fn is_read(request: &BlockRequest<'_>) -> bool {
    matches!(request.transfer, Transfer::Read(_))
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("address", &self.device.address()).finish_non_exhaustive()
    }
}
