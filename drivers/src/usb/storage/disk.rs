//! A disk: requests as SCSI commands, errors, removal.

use core::cell::Cell;
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll};

use atomic_waker::AtomicWaker;

use super::identify::Unit;
use super::queue::{Dead, DiskQueue, Report};
use super::request::{Direction, MAX_REQUEST_BYTES, Request};
use super::transport::{CommandError, Transport};
use crate::interfaces::block::{BlockDevice, BlockError, BlockRequest, Geometry, Ticket, Transfer};
use crate::requests::{self, RequestDriver, Requests};
use crate::scsi::{
    DATA_PROTECT, ILLEGAL_REQUEST, NOT_READY, SYNCHRONIZE_CACHE, Sense, UNIT_ATTENTION, blocks, blocks_10,
};
use crate::usb::{Interface, UsbDevice, UsbError};

/// Requests that are prepared while others are carried out.
const REQUESTS: usize = 4;
/// How often a request is begun again that the unit refuses for the moment.
const ATTEMPTS: usize = 5;
/// The interval at which time limits are checked.
const CHECK_INTERVAL_NS: u64 = 1_000_000_000;
/// Additional sense codes of a medium that is another one, and of none (SPC-4, annex D).
const MEDIUM_CHANGED: u8 = 0x28;
const NO_MEDIUM: u8 = 0x3a;

/// A stick, disk or CD drive; a CD is a read-only disk.
pub struct UsbDisk<D: UsbDevice> {
    requests: Requests<DiskQueue<D>>,
    device: D,
    unit: Unit,
    is_closed: AtomicBool,
    /// It was unplugged, its medium changed, or its controller was reset.
    is_gone: AtomicBool,
}

impl<D: UsbDevice + Clone> UsbDisk<D> {
    /// Finds the disk of an interface.
    pub(crate) async fn open(device: D, interface: &Interface) -> Result<Self, UsbError> {
        let mut transport = Transport::new(device.clone(), interface)?;
        let unit = transport.find_unit().await?;
        let queue = DiskQueue::new(transport, unit.number);
        let requests = Requests::new(queue, Request::allocate(REQUESTS), device.clock());
        let (is_closed, is_gone) = Default::default();
        Ok(Self { requests, device, unit, is_closed, is_gone })
    }
}

impl<D: UsbDevice> UsbDisk<D> {
    fn access(&self) -> Access<'_, D> {
        Access { disk: self, is_refused: Cell::new(false) }
    }

    fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Acquire)
    }

    /// Ends all requests, since there is no disk any more.
    fn leave(&self) {
        self.is_gone.store(true, Ordering::Release);
        self.requests.abandon();
    }

    /// Returns the error of a request, and whether the unit refuses it only for the moment.
    fn error_of(&self, error: CommandError, sector: u64) -> (BlockError, bool) {
        match error {
            CommandError::Usb(UsbError::Gone)
            | CommandError::Sense(Sense {
                code: MEDIUM_CHANGED | NO_MEDIUM, key: NOT_READY | UNIT_ATTENTION, ..
            }) => {
                self.leave();
                (BlockError::Gone { sector }, false)
            }
            CommandError::Usb(UsbError::Quarantined) => {
                self.requests.abandon();
                (BlockError::Quarantined { sector }, false)
            }
            CommandError::Usb(UsbError::TimedOut) => (BlockError::TimedOut { sector }, false),
            CommandError::Usb(UsbError::Memory(_)) => (BlockError::NoMemory { sector }, false),
            CommandError::Usb(_) => (BlockError::Io { sector }, false),
            CommandError::Sense(Sense { key: ILLEGAL_REQUEST, .. }) => (BlockError::Unsupported { sector }, false),
            CommandError::Sense(Sense { key: DATA_PROTECT, .. }) => (BlockError::ReadOnly { sector }, false),
            CommandError::Sense(Sense { key, .. }) => (BlockError::Io { sector }, key == UNIT_ATTENTION),
        }
    }
}

/// The access to the disk during one poll.
struct Access<'a, D: UsbDevice> {
    disk: &'a UsbDisk<D>,
    /// The unit has refused the command for the moment.
    is_refused: Cell<bool>,
}

impl<D: UsbDevice> RequestDriver for Access<'_, D> {
    type Queue = DiskQueue<D>;

    fn requests(&self) -> &Requests<DiskQueue<D>> {
        &self.disk.requests
    }

    fn collector(&self) -> &AtomicWaker {
        self.disk.device.waker()
    }

    fn prepare(&self, prepared: &mut Request, request: &BlockRequest<'_>) -> Result<(), BlockError> {
        let (sector, length, bits) = (request.sector, request.length, self.disk.unit.block_bits);
        let (block, count) = (sector >> (bits - 9), u32::try_from(length >> bits).unwrap_or(u32::MAX));
        // At most as many blocks as fit into a buffer.
        let is_short = block + u64::from(count) <= 1 << 32;
        let command =
            |is_write| if is_short { blocks_10(is_write, block, count) } else { blocks(is_write, block, count) };
        let (cdb, direction) = match &request.transfer {
            Transfer::Read(_) => (command(false), Direction::In),
            Transfer::Write(_) => (command(true), Direction::Out),
            Transfer::Flush => (SYNCHRONIZE_CACHE, Direction::None),
            Transfer::Discard | Transfer::WriteZeroes => return Err(BlockError::Unsupported { sector }),
        };
        let result = prepared.prepare(cdb, direction, length, |bytes| self.disk.device.buffer(bytes));
        result.map_err(|_| BlockError::NoMemory { sector })?;
        if let Transfer::Write(data) = request.transfer {
            prepared.data().copy_from_slice(data);
        }
        Ok(())
    }

    fn finish(&self, finished: &mut Request, report: Report, request: &mut BlockRequest<'_>) -> Result<(), BlockError> {
        let sector = request.sector;
        match (report, &mut request.transfer) {
            (Ok(length), Transfer::Read(take)) if length == finished.length() => take(finished.data()),
            (Ok(length), Transfer::Write(_)) if length == finished.length() => {}
            (Ok(_), Transfer::Flush) => {}
            // With fewer bytes, the buffer has data of an earlier request.
            (Ok(_), _) => return Err(BlockError::Io { sector }),
            // A unit without a cache may not have the command.
            (Err(CommandError::Sense(Sense { key: ILLEGAL_REQUEST, .. })), Transfer::Flush) => {}
            (Err(error), _) => {
                log::debug!("usb: {}: sector {sector}: {error}", self.disk);
                let (error, is_refused) = self.disk.error_of(error, sector);
                self.is_refused.set(is_refused);
                return Err(error);
            }
        }
        Ok(())
    }

    fn quarantine(&self, _: Dead, sector: u64) -> BlockError {
        let is_gone = self.disk.is_gone() || self.disk.is_closed.load(Ordering::Acquire) || self.disk.device.is_gone();
        if is_gone { BlockError::Gone { sector } } else { BlockError::Quarantined { sector } }
    }

    fn has_change(&self) -> bool {
        !self.disk.is_gone() && self.disk.device.is_gone()
    }

    fn handle_change(&self) {
        self.disk.leave();
    }
}

impl<D: UsbDevice> BlockDevice for UsbDisk<D> {
    fn geometry(&self) -> Option<Geometry> {
        let access = self.access();
        if access.has_change() {
            access.handle_change();
        }
        if self.is_gone() {
            return None;
        }
        let Unit { blocks, block_bits, is_read_only, .. } = self.unit;
        Some(Geometry {
            capacity: blocks << (block_bits - 9),
            block_bytes: 1 << block_bits,
            is_read_only,
            max_transfer_bytes: MAX_REQUEST_BYTES,
            max_discard_bytes: 0,
            max_write_zeroes_bytes: 0,
        })
    }

    fn poll_request(&self, request: &mut BlockRequest<'_>, context: &mut Context<'_>) -> Poll<Result<(), BlockError>> {
        if matches!(request.transfer, Transfer::Flush) && self.unit.is_read_only {
            return Poll::Ready(Ok(()));
        }
        let access = self.access();
        let mut attempts = 0;
        loop {
            let poll = requests::poll_request(&access, request, context);
            attempts += 1;
            if !access.is_refused.take() || attempts == ATTEMPTS {
                return poll;
            }
        }
    }

    fn abandon(&self, ticket: &mut Ticket) {
        requests::abandon(&self.access(), ticket);
    }

    /// Ends all requests. The controller may still write to the memory of one, which is not freed before it is done.
    fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.requests.abandon();
    }

    fn check_timeouts(&self) -> Option<u64> {
        let access = self.access();
        if access.has_change() {
            access.handle_change();
        }
        if self.is_gone() {
            return None;
        }
        if self.requests.with_queue(|queue| queue.check()) {
            self.device.waker().wake();
        }
        Some(CHECK_INTERVAL_NS)
    }
}

impl<D: UsbDevice> fmt::Display for UsbDisk<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unit { name, blocks, block_bits, .. } = &self.unit;
        write!(f, "{name}, {blocks} blocks of {} bytes", 1_u32 << block_bits)
    }
}

impl<D: UsbDevice> fmt::Debug for UsbDisk<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UsbDisk").field("unit", &self.unit).finish_non_exhaustive()
    }
}
