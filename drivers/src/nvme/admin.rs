//! The admin queue: commands that are awaited by polling, and reports of asynchronous events.

use alloc::sync::Arc;
use core::fmt;

use switchboard::config::Address;
use switchboard::dma::{BusAddress, DmaPort, DmaShared};
use switchboard::driver::ProbeError;
use switchboard::mmio::{Bar, BarWindows};
use switchboard::platform::Clock;

use super::command::{CommandStatus, NoData, OnePage, Operation};
use super::health::{self, Health, LOG_BYTES};
use super::identify::IDENTIFY_BYTES;
use super::queue::QueuePair;
use super::registers::{CSTS, Registers, Status};

/// Entries of the admin queues: one command at a time, and the request for events.
pub(super) const ADMIN_ENTRIES: u16 = 16;
/// The limit for an admin command. The specification has none; Linux waits for 60 seconds, controllers take milliseconds.
const COMMAND_TIMEOUT_NS: u64 = 5_000_000_000;

/// The command id of awaited commands. The others are not awaited, and each is in flight once at most.
const AWAITED: u16 = 0;
/// The request for events.
const EVENT: u16 = 1;
const ABORTING: u16 = 2;
const HEALTH: u16 = 3;

const GET_LOG_PAGE: u8 = 0x02;
const IDENTIFY: u8 = 0x06;
const ABORT: u8 = 0x08;
const SET_FEATURES: u8 = 0x09;
const ASYNCHRONOUS_EVENT_REQUEST: u8 = 0x0c;

/// Features (5.21.1).
const ASYNCHRONOUS_EVENT_CONFIGURATION: u32 = 0x0b;
/// Events for all critical warnings, and for changes of namespaces.
const WANTED_EVENTS: u32 = 0x1f | 1 << 8;

/// An event that the controller has reported (5.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Event {
    kind: u8,
    information: u8,
    log_page: u8,
}

impl Event {
    const fn new(result: u32) -> Self {
        let [kind, information, log_page, _] = result.to_le_bytes();
        Self { kind: kind & 7, information, log_page }
    }

    /// Returns whether namespaces have changed: their number, or a size.
    pub(super) const fn is_namespace_change(self) -> bool {
        self.kind == 2 && self.information == 0
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            0 => "error",
            1 => "health",
            2 => "notice",
            _ => "other",
        };
        write!(f, "{kind} event {:#04x}", self.information)
    }
}

/// The admin queue, with a page for the data of its commands.
pub(super) struct Admin {
    queue: QueuePair<()>,
    data: DmaShared<u64>,
    registers: Arc<Bar<Registers>>,
    clock: &'static dyn Clock,
    address: Address,
    event: Option<Event>,
    /// The page for the log of the health.
    health: DmaShared<u64>,
    has_health: bool,
}

impl Admin {
    pub(super) fn new(
        windows: &BarWindows,
        dma: &DmaPort,
        registers: Arc<Bar<Registers>>,
        doorbell_stride: u64,
        clock: &'static dyn Clock,
        address: Address,
    ) -> Result<Self, ProbeError> {
        let queue = QueuePair::new(windows, dma, 0, ADMIN_ENTRIES, doorbell_stride)?;
        let data = dma.region(IDENTIFY_BYTES)?.carve(IDENTIFY_BYTES / 8, 4096);
        let data = data.ok_or(ProbeError::Device("no page for the data of commands"))?;
        let health = dma.region(LOG_BYTES)?.carve(LOG_BYTES / 8, 4096);
        let health = health.ok_or(ProbeError::Device("no page for the log of the health"))?;
        Ok(Self { queue, data, registers, clock, address, event: None, health, has_health: false })
    }

    pub(super) fn queue(&self) -> &QueuePair<()> {
        &self.queue
    }

    /// Stops the queue for a reset of the controller, which has none of the commands then.
    pub(super) fn stop(&mut self) {
        self.queue.stop();
    }

    /// Starts the stopped queue anew.
    pub(super) fn restart(&mut self) {
        self.queue.restart();
        (self.event, self.has_health) = (None, false);
    }

    /// Requests that the controller aborts a command (5.1). It may finish it nevertheless, or do neither.
    pub(super) fn abort(&mut self, queue: u16, id: u16) {
        self.start(ABORTING, Operation::new(ABORT, 0, u32::from(queue) | u32::from(id) << 16, 0));
    }

    /// Requests the log page of the health.
    pub(super) fn request_health(&mut self) {
        let dwords = u32::try_from(LOG_BYTES / 4 - 1).unwrap_or(0);
        let operation = Operation::new(GET_LOG_PAGE, u32::MAX, health::LOG_PAGE | dwords << 16, 0);
        if self.queue.submit(HEALTH, operation, OnePage::new(self.health.bus()), ()).is_ok() {
            self.queue.kick();
        }
    }

    /// Returns the health if it has arrived since the last call.
    pub(super) fn take_health(&mut self) -> Option<Health> {
        core::mem::take(&mut self.has_health).then(|| {
            let mut bytes = [0; LOG_BYTES];
            for (index, word) in bytes.as_chunks_mut::<8>().0.iter_mut().enumerate() {
                *word = self.health.read(index).to_ne_bytes();
            }
            Health::parse(&bytes)
        })
    }

    /// Submits a command that is not awaited, unless one with its id is in flight.
    fn start(&mut self, id: u16, operation: Operation) {
        if self.queue.submit(id, operation, NoData::default(), ()).is_ok() {
            self.queue.kick();
        }
    }

    /// Carries out a command without data. Returns its result.
    pub(super) fn command(&mut self, what: &'static str, operation: Operation) -> Result<u32, ProbeError> {
        let submitted = self.queue.submit(AWAITED, operation, NoData::default(), ());
        submitted.map_err(|_| ProbeError::Device("the admin queue is dead"))?;
        self.wait(what)
    }

    /// Carries out a command whose data are in one page.
    pub(super) fn command_with(
        &mut self,
        what: &'static str,
        operation: Operation,
        page: BusAddress,
    ) -> Result<u32, ProbeError> {
        let submitted = self.queue.submit(AWAITED, operation, OnePage::new(page), ());
        submitted.map_err(|_| ProbeError::Device("the admin queue is dead"))?;
        self.wait(what)
    }

    /// Reads a structure that the controller reports of itself or of a namespace.
    pub(super) fn identify(
        &mut self,
        what: &'static str,
        structure: u32,
        namespace: u32,
    ) -> Result<[u8; IDENTIFY_BYTES], ProbeError> {
        let page = self.data.bus();
        self.command_with(what, Operation::new(IDENTIFY, namespace, structure, 0), page)?;
        let mut bytes = [0; IDENTIFY_BYTES];
        // By words: a read of all as one value is some 100 KiB of code.
        for (index, word) in bytes.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            *word = self.data.read(index).to_ne_bytes();
        }
        Ok(bytes)
    }

    /// Requests reports of events. A controller that refuses is driven without.
    pub(super) fn watch_events(&mut self) {
        let features = Operation::new(SET_FEATURES, 0, ASYNCHRONOUS_EVENT_CONFIGURATION, WANTED_EVENTS);
        match self.command("events to report", features) {
            Ok(_) => self.request_event(),
            Err(error) => log::info!("{}: nvme: no reports of events: {error}", self.address),
        }
    }

    fn request_event(&mut self) {
        self.start(EVENT, Operation::new(ASYNCHRONOUS_EVENT_REQUEST, 0, 0, 0));
    }

    /// Returns an event that was reported, acknowledges it, and requests the next one.
    pub(super) fn take_event(&mut self) -> Option<Event> {
        self.collect();
        let event = self.event.take()?;
        log::warn!("{}: nvme: the controller reports a {event}", self.address);
        // Reading its log page acknowledges the event (5.2); the page itself is not evaluated.
        let dwords = u32::try_from(IDENTIFY_BYTES / 4 - 1).unwrap_or(0);
        let read = Operation::new(GET_LOG_PAGE, u32::MAX, u32::from(event.log_page) | dwords.min(127) << 16, 0);
        let page = self.data.bus();
        if let Err(error) = self.command_with("log page of an event", read, page) {
            log::warn!("{}: nvme: {error}", self.address);
        }
        self.request_event();
        Some(event)
    }

    /// Takes all completions. Returns that of the awaited command, if there is one.
    fn collect(&mut self) -> Option<(CommandStatus, u32)> {
        let mut awaited = None;
        loop {
            match self.queue.complete_with_id() {
                Ok(Some((AWAITED, status, result))) => awaited = Some((status, result)),
                // An aborted request for events has an error, and none follows.
                Ok(Some((EVENT, status, result))) if status.is_success() => self.event = Some(Event::new(result)),
                Ok(Some((HEALTH, status, _))) => self.has_health = status.is_success(),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => {
                    log::error!("{}: nvme: admin queue: {error}", self.address);
                    break;
                }
            }
        }
        self.queue.report_head();
        awaited
    }

    /// Waits for the awaited command.
    fn wait(&mut self, what: &'static str) -> Result<u32, ProbeError> {
        self.queue.kick();
        let clock = self.clock;
        let (mut done, mut is_dead) = (None, false);
        clock.wait_until(COMMAND_TIMEOUT_NS, || {
            done = self.collect();
            // Also all ones, of a controller that was removed.
            is_dead = Status::from_bits_retain(self.registers.read(&CSTS)).contains(Status::FATAL);
            done.is_some() || is_dead
        });
        match done {
            Some((status, result)) if status.is_success() => Ok(result),
            Some((status, _)) => Err(ProbeError::Unexpected { what, wanted: 0, found: status.code().into() }),
            None => {
                // The controller may finish it at any time: the id cannot be used again.
                self.queue.abandon();
                Err(ProbeError::Device(if is_dead {
                    "the controller has failed"
                } else {
                    "an admin command is not done in time"
                }))
            }
        }
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("queue", &self.queue).finish_non_exhaustive()
    }
}
