//! A running controller, which its disks share.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};

use spin::Mutex;
use switchboard::dma::DmaPort;
use switchboard::driver::ProbeError;
use switchboard::function::{Details, Function, Resources, SriovPort};
use switchboard::interrupt::Mode;
use switchboard::mmio::RegisterBlock;

use super::admin::Admin;
use super::controller::{Controller, PAGE_BITS};
use super::create_queues::{create_pair, request_pairs};
use super::identify::{CONTROLLER, ControllerIdentity};
use super::interrupt::{NvmeInterrupts, NvmeMessage, Shared};
use super::limits::Limits;
use super::namespace::Namespace;
use super::queue::QueuePair;
use super::recovery::Recovery;
use super::registers::Registers;
use super::request::{IoQueue, Request};
use crate::requests::Requests;

/// The most requests in flight in a pair of queues, which have one entry more (4.1.2).
const MAX_REQUESTS: u16 = 127;
/// The messages of the I/O queues, in order of their numbers.
pub(super) const IO_MESSAGES: [NvmeMessage; 2] = [NvmeMessage::Read, NvmeMessage::Write];

/// A running controller.
pub(super) struct Inner {
    // The first field, so that the controller is stopped before its memory and interrupts are freed.
    pub(super) controller: Controller,
    pub(super) interrupts: Mutex<NvmeInterrupts>,
    pub(super) reads: Requests<IoQueue>,
    /// All other requests, if there are queues for them. So a read does not wait behind many writes.
    pub(super) writes: Option<Requests<IoQueue>>,
    pub(super) admin: Mutex<Admin>,
    pub(super) dma: DmaPort,
    pub(super) shared: Arc<Shared>,
    pub(super) namespaces: Box<[Namespace]>,
    pub(super) limits: Limits,
    pub(super) recovery: Mutex<Recovery>,
    pub(super) details: Details,
    /// The virtual functions, while they are disabled.
    pub(super) sriov: Mutex<Option<SriovPort>>,
    pub(super) has_virtual_controllers: AtomicBool,
}

impl Inner {
    pub(super) fn probe(function: Function) -> Result<Self, ProbeError> {
        let (clock, address) = (function.clock(), function.address());
        let Resources { bar0, irq, dma, bus, presence, config, details, sriov, .. } = function.claim()?;
        let windows = bar0.windows()?;
        let registers = Arc::new(windows.map(0, Registers::SIZE)?);
        let controller = Controller::reset(registers.clone(), clock, bus, presence.clone(), address)?;
        let stride = controller.capabilities.doorbell_stride;
        let mut admin = Admin::new(&windows, &dma, registers.clone(), stride, clock, address)?;
        // Before the start: QEMU sends no message of a queue that was made while messages were off.
        let shared = Arc::new(Shared::default());
        let interrupts = NvmeInterrupts::grant(irq, &shared, &registers, config, presence)?;
        controller.start(admin.queue())?;
        let data = admin.identify("identity of the NVMe controller", CONTROLLER, 0)?;
        let identity = ControllerIdentity::parse(&data, PAGE_BITS);
        log::info!("{address}: nvme: {}, serial number {}", identity.model, identity.serial);
        identity.publish(&details);
        let namespaces = Namespace::find_all(&mut admin, address)?.into_boxed_slice();

        let pairs = request_pairs(&mut admin, interrupts.pairs().min(IO_MESSAGES.len()));
        let entries = u16::try_from(controller.capabilities.max_entries).unwrap_or(u16::MAX).min(MAX_REQUESTS + 1);
        let line_mask = (interrupts.mode() == Mode::Intx).then_some(registers);
        let mut requests = (1_u16..).zip(IO_MESSAGES).take(pairs).map(|(number, message)| {
            let pair = QueuePair::new(&windows, &dma, number, entries, stride)?;
            create_pair(&mut admin, &pair, interrupts.vector(message))?;
            shared.watches[usize::from(number) - 1].call_once(|| pair.watch());
            let requests = Request::allocate(usize::from(entries) - 1, &dma)?;
            let queue = IoQueue { pair, line_mask: line_mask.clone(), now_ns: 0 };
            Ok(Requests::new(queue, requests, clock))
        });
        let reads = requests.next().unwrap_or(Err(ProbeError::Device("no I/O queues")))?;
        let writes = requests.next().transpose()?;
        drop(requests);
        admin.watch_events();
        Ok(Self {
            controller,
            interrupts: Mutex::new(interrupts),
            reads,
            writes,
            admin: Mutex::new(admin),
            dma,
            shared,
            namespaces,
            limits: Limits::new(&identity),
            recovery: Mutex::new(Recovery::new(clock)),
            details,
            sriov: Mutex::new(sriov),
            has_virtual_controllers: AtomicBool::new(false),
        })
    }

    /// Returns the requests of each pair of I/O queues.
    pub(super) fn pairs(&self) -> impl Iterator<Item = &Requests<IoQueue>> {
        core::iter::once(&self.reads).chain(&self.writes)
    }

    /// Returns whether the controller was removed or has reported an event.
    #[inline]
    pub(super) fn has_change(&self) -> bool {
        self.controller.presence.is_gone() || self.shared.has_event.load(Ordering::Acquire)
    }

    /// Handles events of the controller, or its removal.
    #[cold]
    pub(super) fn handle_change(&self) {
        if self.controller.presence.is_gone() {
            self.abandon_all();
            return;
        }
        if !self.shared.has_event.swap(false, Ordering::AcqRel) {
            return;
        }
        // The handler of the line has masked it, perhaps for completions that were taken before: the controller withdraws the line a
        // while after it was reported that they were.
        self.pairs().for_each(Requests::note_masked);
        if self.recover_if_failed() {
            return;
        }
        let admin = &mut *self.admin.lock();
        while let Some(event) = admin.take_event() {
            if event.is_namespace_change() {
                self.namespaces.iter().for_each(|namespace| namespace.update(admin));
            }
        }
        if let Some(health) = admin.take_health() {
            health.publish(&self.details);
        }
    }

    /// Ends all requests with an error.
    pub(super) fn abandon_all(&self) {
        self.pairs().for_each(Requests::abandon);
    }

    /// Isolates the controller from the bus, and ends all requests.
    pub(super) fn quarantine(&self, fault: &dyn fmt::Display) {
        self.controller.quarantine(fault);
        self.abandon_all();
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("controller", &self.controller).finish_non_exhaustive()
    }
}
