//! A disk or CD drive at a port: requests as commands, changes, quarantine.

use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll};

use atomic_waker::AtomicWaker;

use super::command::{Command, DATA_SET_MANAGEMENT, FLUSH_CACHE_EXT};
use super::hba::Hba;
use super::identify::Identity;
use super::interrupt::PortShared;
use super::port::{CommandError, MAX_SLOTS, Port};
use super::queue::{PortQueue, QueueError};
use super::recovery::CHECK_INTERVAL_NS;
use super::registers::PortInterrupts;
use super::request::{MAX_REQUEST_BYTES, Request};
use crate::interfaces::block::{BlockDevice, BlockError, BlockRequest, Geometry, Ticket, Transfer};
use crate::requests::{self, RequestDriver, Requests};

/// The data of a TRIM: ranges of 8 bytes, each of at most 65,535 blocks (ACS-3, 7.5).
const TRIM_BYTES: usize = 512;
const TRIM_RANGE_BLOCKS: u16 = 0xffff;
const TRIM: u16 = 1;

/// A disk or CD drive of an AHCI controller; a CD is a read-only disk.
#[derive(Debug)]
pub struct AhciDisk {
    // The first field, so that the port is stopped before the rest is freed.
    requests: Requests<PortQueue>,
    hba: Arc<Hba>,
    shared: Arc<PortShared>,
    identity: Identity,
    is_closed: AtomicBool,
    /// The disk was unplugged, or its medium changed.
    is_gone: AtomicBool,
}

impl AhciDisk {
    pub(super) fn new(port: Port, hba: &Arc<Hba>, identity: Identity) -> Self {
        let has_ncq = identity.queue_depth > 0 && hba.has_ncq();
        let depth = if has_ncq { identity.queue_depth.min(hba.slots()) } else { hba.slots() };
        let shared = port.shared.clone();
        let queue = PortQueue::new(port, has_ncq, identity.has_log);
        let requests = Requests::new(queue, Request::allocate(usize::from(depth).min(MAX_SLOTS)), hba.clock);
        let (is_closed, is_gone) = Default::default();
        let this = Self { requests, hba: hba.clone(), shared, identity, is_closed, is_gone };
        log::info!("{}: ahci: port {}: {this}", hba.address, this.shared.number);
        this
    }

    /// Returns the number of times that the device was given commands.
    #[must_use]
    pub fn kicks(&self) -> u64 {
        self.requests.with_queue(|queue| queue.kicks())
    }

    /// Returns whether the device queues commands (NCQ).
    #[must_use]
    pub fn has_command_queue(&self) -> bool {
        self.requests.with_queue(|queue| queue.has_ncq)
    }

    fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Acquire) || self.hba.shared.presence.is_gone()
    }

    /// Ends all requests, and lets the controller look at the port again.
    fn leave(&self, reason: &str) {
        if !self.is_gone.swap(true, Ordering::AcqRel) {
            log::info!("{}: ahci: port {}: {reason}", self.hba.address, self.shared.number);
        }
        self.requests.abandon();
        self.hba.shared.report_change();
    }

    /// Returns the ranges of a TRIM as data.
    fn trim_ranges(&self, block: u64, blocks: u64) -> impl Iterator<Item = [u8; 8]> {
        let starts = (block..block.saturating_add(blocks)).step_by(TRIM_RANGE_BLOCKS.into());
        starts.map(move |start| {
            let count = (block + blocks - start).min(TRIM_RANGE_BLOCKS.into());
            (start & 0xffff_ffff_ffff | count << 48).to_le_bytes()
        })
    }
}

impl RequestDriver for AhciDisk {
    type Queue = PortQueue;

    #[inline]
    fn requests(&self) -> &Requests<PortQueue> {
        &self.requests
    }

    #[inline]
    fn collector(&self) -> &AtomicWaker {
        &self.shared.collector
    }

    fn prepare(&self, prepared: &mut Request, request: &BlockRequest<'_>) -> Result<(), BlockError> {
        let (sector, length, bits) = (request.sector, request.length, self.identity.block_bits);
        let (block, blocks) = (sector >> (bits - 9), (length >> bits) as u64);
        // At most as many as fit into a buffer, but for a TRIM.
        let count = u16::try_from(blocks).unwrap_or(u16::MAX);
        let is_packet = self.identity.is_packet_device;
        let (command, bytes) = match request.transfer {
            Transfer::Read(_) if is_packet => (read_packet(block, count), length),
            Transfer::Read(_) => (Command::Blocks { is_write: false, block, count }, length),
            Transfer::Write(_) if is_packet => return Err(BlockError::ReadOnly { sector }),
            Transfer::Write(_) => (Command::Blocks { is_write: true, block, count }, length),
            Transfer::Flush => (Command::plain(FLUSH_CACHE_EXT), 0),
            Transfer::Discard if self.identity.has_trim => {
                let (opcode, features) = (DATA_SET_MANAGEMENT, TRIM);
                (Command::Other { opcode, features, block: 0, count: 1, is_write: true }, TRIM_BYTES)
            }
            Transfer::Discard | Transfer::WriteZeroes => return Err(BlockError::Unsupported { sector }),
        };
        prepared.prepare(command, bytes, &self.hba.dma).map_err(|_| BlockError::NoMemory { sector })?;
        match request.transfer {
            Transfer::Write(data) => prepared.data().copy_from_slice(data),
            Transfer::Discard => {
                let (entries, _) = prepared.data().as_chunks_mut();
                entries.fill([0; 8]);
                for (entry, range) in entries.iter_mut().zip(self.trim_ranges(block, blocks)) {
                    *entry = range;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(
        &self,
        finished: &mut Request,
        outcome: Result<(), CommandError>,
        request: &mut BlockRequest<'_>,
    ) -> Result<(), BlockError> {
        let sector = request.sector;
        if let Err(error) = outcome {
            log::debug!("{}: ahci: port {}: sector {sector}: {error}", self.hba.address, self.shared.number);
            // Sense keys: not ready, and unit attention. The medium is another one, or there is none.
            if let CommandError::Device { error, .. } = error
                && self.identity.is_packet_device
                && matches!(error >> 4, 2 | 6)
            {
                self.leave("the medium was removed");
                return Err(BlockError::Gone { sector });
            }
            return Err(match error {
                CommandError::TimedOut => BlockError::TimedOut { sector },
                _ if error.is_unsupported() && !finished.command.is_queueable() => BlockError::Unsupported { sector },
                _ => BlockError::Io { sector },
            });
        }
        if let Transfer::Read(take) = &mut request.transfer {
            take(finished.data());
        }
        Ok(())
    }

    fn quarantine(&self, error: QueueError, sector: u64) -> BlockError {
        if self.is_gone() || self.is_closed.load(Ordering::Acquire) {
            return BlockError::Gone { sector };
        }
        if error != QueueError::Dead {
            self.requests.with_queue(|queue| queue.port.quarantine(&error));
            if self.is_gone() {
                return BlockError::Gone { sector };
            }
        }
        BlockError::Quarantined { sector }
    }

    #[inline]
    fn has_change(&self) -> bool {
        self.hba.shared.presence.is_gone() || self.shared.has_events()
    }

    /// Handles an error of the port, or the removal of the disk or of the controller.
    #[cold]
    fn handle_change(&self) {
        if self.hba.shared.presence.is_gone() {
            self.requests.abandon();
            return;
        }
        let events = self.shared.take_events();
        if events.intersects(PortInterrupts::PLUG) {
            // Another disk may have been plugged in meanwhile: the controller identifies it.
            self.leave("the disk was removed");
            return;
        }
        if events.intersects(PortInterrupts::ERROR) {
            let is_dead = self.requests.with_queue(|queue| {
                queue.recover();
                queue.is_dead
            });
            if is_dead {
                self.requests.abandon();
            }
            self.shared.collector.wake();
        }
    }
}

impl BlockDevice for AhciDisk {
    fn geometry(&self) -> Option<Geometry> {
        if self.has_change() {
            self.handle_change();
        }
        if self.is_gone() {
            return None;
        }
        let block_bits = self.identity.block_bits;
        let trim_blocks = usize::from(TRIM_RANGE_BLOCKS) * (TRIM_BYTES / 8);
        Some(Geometry {
            capacity: self.identity.sectors(),
            block_bytes: 1 << block_bits,
            is_read_only: self.identity.is_packet_device,
            max_transfer_bytes: MAX_REQUEST_BYTES,
            max_discard_bytes: if self.identity.has_trim { trim_blocks << block_bits } else { 0 },
            max_write_zeroes_bytes: 0,
        })
    }

    fn poll_request(&self, request: &mut BlockRequest<'_>, context: &mut Context<'_>) -> Poll<Result<(), BlockError>> {
        // Without a cache, completed writes are durable.
        if matches!(request.transfer, Transfer::Flush) && !self.identity.has_cache {
            return Poll::Ready(Ok(()));
        }
        requests::poll_request(self, request, context)
    }

    fn abandon(&self, ticket: &mut Ticket) {
        requests::abandon(self, ticket);
    }

    /// Ends all requests. The HBA may still write to its DMA memory, which is not freed before the driver is dropped.
    fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.requests.abandon();
    }

    fn check_timeouts(&self) -> Option<u64> {
        if self.is_gone() {
            return None;
        }
        let (has_ended, is_dead) = self.requests.with_queue(|queue| (queue.check_ages(), queue.is_dead));
        if is_dead {
            self.requests.abandon();
        }
        if has_ended {
            self.shared.collector.wake();
        }
        Some(CHECK_INTERVAL_NS)
    }

    fn set_poll_budget_ns(&self, poll_budget_ns: u64) {
        self.requests.set_poll_budget_ns(poll_budget_ns);
    }
}

/// Returns the command READ (12) of a CD drive (MMC-6, 6.18).
fn read_packet(block: u64, count: u16) -> Command {
    let [b0, b1, b2, b3] = u32::try_from(block).unwrap_or(u32::MAX).to_be_bytes();
    let [c0, c1] = count.to_be_bytes();
    Command::Packet([0xa8, 0, b0, b1, b2, b3, 0, 0, c0, c1, 0, 0])
}

impl fmt::Display for AhciDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Identity { model, serial, blocks, block_bits, .. } = &self.identity;
        write!(f, "{model}, serial number {serial}, {blocks} blocks of {} bytes", 1_u32 << block_bits)?;
        match self.identity.queue_depth {
            depth if self.has_command_queue() => write!(f, ", queues {depth} commands"),
            _ => Ok(()),
        }
    }
}
