//! NVM Express disks: a controller with an admin queue and one I/O queue, each with a message of its own.
//!
//! Section numbers are those of the NVM Express Base Specification 1.4. The driver serves the first active namespace of the
//! controller. With QEMU: `-device nvme,serial=1,drive=..`.
//!
//! ```no_run
//! use switchboard::driver::attach;
//! use switchboard::function::Function;
//! use switchboard_drivers::interfaces::block::{BlockDevice, BlockError};
//! use switchboard_drivers::nvme::Nvme;
//!
//! async fn first_sector(function: Function) -> Result<[u8; 512], BlockError> {
//!     let disk: Nvme = attach(function).expect("a controller with a namespace");
//!     let mut sector = [0; 512];
//!     disk.read(0, &mut sector).await?;
//!     Ok(sector)
//! }
//! ```

mod admin;
mod command;
mod controller;
mod create_queues;
mod identify;
mod interrupt;
mod namespace;
mod queue;
mod registers;
mod request;
mod watch;

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll};

use atomic_waker::AtomicWaker;
use spin::Mutex;
use switchboard::dma::DmaPort;
use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::function::{Function, Resources};
use switchboard::interrupt::Mode;
use switchboard::mmio::RegisterBlock;

pub use self::interrupt::NvmeMessage;

use self::admin::Admin;
use self::command::CommandStatus;
use self::controller::{Controller, PAGE_BITS};
use self::create_queues::{IO_QUEUE, create_queues};
use self::identify::{CONTROLLER, ControllerIdentity};
use self::interrupt::{NvmeInterrupts, Shared};
use self::namespace::Namespace;
use self::queue::{QueueError, QueuePair};
use self::registers::Registers;
use self::request::{IoQueue, MAX_REQUEST_BYTES, Request};
use crate::interfaces::block::{BlockDevice, BlockError, BlockRequest, Geometry, Ticket, Transfer};
use crate::requests::{self, RequestDriver, Requests};

/// The most requests in flight. The queues have one entry more (4.1.2).
const MAX_REQUESTS: u16 = 127;
/// NVM commands (NVM Command Set, 6).
const FLUSH: u8 = 0x00;
const WRITE: u8 = 0x01;
const READ: u8 = 0x02;

/// An NVMe controller with a namespace. The [module](self) has an example.
#[derive(Debug)]
pub struct Nvme {
    // The first field, so that the controller is stopped before its memory and interrupts are freed.
    controller: Controller,
    interrupts: NvmeInterrupts,
    requests: Requests<IoQueue>,
    admin: Mutex<Admin>,
    dma: DmaPort,
    shared: Arc<Shared>,
    namespace: Namespace,
    has_cache: bool,
    max_transfer_bytes: usize,
    is_closed: AtomicBool,
}

impl Driver for Nvme {
    const NAME: &'static str = "nvme";
    /// NVM Express I/O controllers.
    const MATCHES: &'static [Id] = &[Id::class(0x01, 0x08).interface(0x02)];

    fn probe(function: Function) -> Result<Self, ProbeError> {
        let (clock, address) = (function.clock(), function.address());
        let Resources { bar0, irq, dma, bus, presence, config, .. } = function.claim()?;
        let windows = bar0.windows()?;
        let registers = Arc::new(windows.map(0, Registers::SIZE)?);
        let controller = Controller::reset(registers.clone(), clock, bus, presence.clone(), address)?;
        let stride = controller.capabilities.doorbell_stride;
        let mut admin = Admin::new(&windows, &dma, registers.clone(), stride, clock, address)?;
        controller.start(admin.queue())?;
        let data = admin.identify("identity of the NVMe controller", CONTROLLER, 0)?;
        let identity = ControllerIdentity::parse(&data, PAGE_BITS);
        let namespace = Namespace::find(&mut admin, address)?;
        log::info!("{address}: nvme: {}, serial number {}, {namespace}", identity.model, identity.serial);

        let shared = Arc::new(Shared::default());
        let interrupts = NvmeInterrupts::grant(irq, &shared, &registers, config, presence)?;
        let entries = u16::try_from(controller.capabilities.max_entries).unwrap_or(u16::MAX).min(MAX_REQUESTS + 1);
        let pair = QueuePair::new(&windows, &dma, IO_QUEUE, entries, stride)?;
        create_queues(&mut admin, &pair, entries, interrupts.io_vector())?;
        shared.io.call_once(|| pair.watch());
        let line_mask = (interrupts.mode() == Mode::Intx).then_some(registers);
        let requests = Request::allocate(usize::from(entries) - 1, &dma)?;
        admin.watch_events();
        Ok(Self {
            controller,
            interrupts,
            requests: Requests::new(IoQueue { pair, line_mask }, requests, clock),
            admin: Mutex::new(admin),
            dma,
            shared,
            has_cache: identity.has_cache,
            max_transfer_bytes: identity.max_transfer_bytes.unwrap_or(usize::MAX).min(MAX_REQUEST_BYTES),
            namespace,
            is_closed: AtomicBool::new(false),
        })
    }
}

impl Nvme {
    /// Returns the numbers of interrupts served for the I/O queue and for the admin queue. With a line, the first is that of
    /// both together.
    pub fn interrupt_counts(&mut self) -> (u64, u64) {
        self.interrupts.counts()
    }

    /// Returns how often the controller was informed of new requests.
    #[must_use]
    pub fn kicks(&self) -> u64 {
        self.requests.with_queue(|queue| queue.pair.kicks())
    }
}

impl RequestDriver for Nvme {
    type Queue = IoQueue;

    #[inline]
    fn requests(&self) -> &Requests<IoQueue> {
        &self.requests
    }

    #[inline]
    fn collector(&self) -> &AtomicWaker {
        &self.shared.collector
    }

    fn prepare(&self, prepared: &mut Request, request: &BlockRequest<'_>) -> Result<(), BlockError> {
        let (sector, length) = (request.sector, request.length);
        let opcode = match request.transfer {
            Transfer::Read(_) => READ,
            Transfer::Write(_) => WRITE,
            Transfer::Flush => FLUSH,
            Transfer::Discard | Transfer::WriteZeroes => return Err(BlockError::Unsupported { sector }),
        };
        let operation = self.namespace.operation(opcode, sector, length);
        prepared.prepare(operation, length, &self.dma).map_err(|_| BlockError::NoMemory { sector })?;
        if let Transfer::Write(data) = request.transfer {
            prepared.data().copy_from_slice(data);
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
            log::debug!("{}: nvme: status {:#x} at sector {sector}", self.controller.address, status.code());
            let is_unsupported = status.is_unsupported();
            return Err(if is_unsupported { BlockError::Unsupported { sector } } else { BlockError::Io { sector } });
        }
        if let Transfer::Read(take) = &mut request.transfer {
            take(finished.data());
        }
        Ok(())
    }

    fn quarantine(&self, error: QueueError, sector: u64) -> BlockError {
        if self.controller.presence.is_gone() || self.is_closed.load(Ordering::Acquire) {
            return BlockError::Gone { sector };
        }
        if error != QueueError::Dead {
            self.controller.quarantine(&error);
        }
        BlockError::Quarantined { sector }
    }

    #[inline]
    fn has_change(&self) -> bool {
        self.controller.presence.is_gone() || self.shared.has_event.load(Ordering::Acquire)
    }

    /// Handles events of the controller, or its removal.
    #[cold]
    fn handle_change(&self) {
        if self.controller.presence.is_gone() {
            self.requests.abandon();
            return;
        }
        if !self.shared.has_event.swap(false, Ordering::AcqRel) {
            return;
        }
        // The handler of the line has masked it, perhaps for completions that were taken before: the controller withdraws the line a
        // while after it was reported that they were.
        self.requests.note_masked();
        if self.controller.has_failed() {
            if self.controller.presence.confirm().is_ok() {
                self.controller.quarantine(&"it reports a fatal error");
            }
            self.requests.abandon();
            return;
        }
        let admin = &mut *self.admin.lock();
        while let Some(event) = admin.take_event() {
            if event.is_namespace_change() {
                self.namespace.update(admin);
            }
        }
    }
}

impl BlockDevice for Nvme {
    /// Returns the present capacity, also after the namespace was resized.
    fn geometry(&self) -> Option<Geometry> {
        if self.has_change() {
            self.handle_change();
        }
        Some(self.namespace.geometry(self.max_transfer_bytes))
    }

    fn poll_request(&self, request: &mut BlockRequest<'_>, context: &mut Context<'_>) -> Poll<Result<(), BlockError>> {
        // Without a cache, completed writes are durable (5.15.2.2, VWC).
        if matches!(request.transfer, Transfer::Flush) && !self.has_cache {
            return Poll::Ready(Ok(()));
        }
        requests::poll_request(self, request, context)
    }

    fn abandon(&self, ticket: &mut Ticket) {
        requests::abandon(self, ticket);
    }

    /// Ends all requests. The controller may still write to its DMA memory, which is not freed before the driver is dropped.
    fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.requests.abandon();
    }

    fn set_poll_budget_ns(&self, poll_budget_ns: u64) {
        self.requests.set_poll_budget_ns(poll_budget_ns);
    }
}
