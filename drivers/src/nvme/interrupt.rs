//! The interrupt handlers: a routine for each message with state of its own, or one for the line.

use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};

use atomic_waker::AtomicWaker;
use spin::Once;
use switchboard::driver::ProbeError;
use switchboard::function::{Config, Presence};
use switchboard::interrupt::{
    Activity, Claim, Each, Exclusive, InIsr, InterruptPort, Line, LineRoutine, Live, MessageRoutine, Messages, Mode,
};
use switchboard::messages;
use switchboard::mmio::Bar;

use super::registers::{INTMS, Registers};
use super::watch::QueueWatch;

messages! {
    /// The messages of the controller: one for each completion queue. The first entry is always that of the admin queue (3.1.10).
    /// Where there are fewer, the queues of `Read` serve all requests.
    pub enum NvmeMessage { Admin, Read, Write }
}

/// The offset of the status register in configuration space, and its bit for a pending line interrupt (PCI 3.0, 6.2.3).
const PCI_STATUS: u16 = 0x06;
const INTERRUPT_STATUS: u16 = 1 << 3;

/// State that the handlers share with the driver.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// The tasks that collect finished requests of each pair of I/O queues.
    pub(super) collectors: [AtomicWaker; 2],
    /// The admin queue may have reported an event.
    pub(super) has_event: AtomicBool,
    /// The views of the pairs of I/O queues, once there are any.
    pub(super) watches: [Once<QueueWatch>; 2],
}

impl Shared {
    fn report_event(&self) {
        self.has_event.store(true, Ordering::Release);
        self.wake();
    }

    fn wake(&self) {
        self.collectors.iter().for_each(AtomicWaker::wake);
    }

    fn activity(&self, pair: usize) -> Activity {
        self.watches[pair].get().map_or(Activity::IDLE, QueueWatch::activity)
    }
}

/// The routine of the message of one pair of I/O queues.
pub(super) struct IoRoutine<const PAIR: usize> {
    shared: Arc<Shared>,
    count: u64,
}

impl<const PAIR: usize> MessageRoutine for IoRoutine<PAIR> {
    fn on_message(&mut self, _isr: &InIsr<'_>) {
        self.count += 1;
        self.shared.collectors[PAIR].wake();
    }

    fn activity(&self) -> Activity {
        self.shared.activity(PAIR)
    }
}

/// The routine of the admin queue's message.
pub(super) struct AdminRoutine {
    shared: Arc<Shared>,
    count: u64,
}

impl MessageRoutine for AdminRoutine {
    fn on_message(&mut self, _isr: &InIsr<'_>) {
        self.count += 1;
        self.shared.report_event();
    }
}

/// The routine of the line. The controller asserts it while a queue has a completion, so it is masked at the controller until
/// the driver has taken them.
pub(super) struct LineHandler {
    shared: Arc<Shared>,
    registers: Arc<Bar<Registers>>,
    config: Config,
    presence: Presence,
    count: u64,
}

impl LineRoutine for LineHandler {
    fn on_line(&mut self, _isr: &InIsr<'_>) -> Claim {
        let status = if self.presence.is_gone() { u16::MAX } else { self.config.read_u16(PCI_STATUS) };
        if status == u16::MAX {
            // The controller was removed, which the tasks have to detect. If the line is asserted, another function does it.
            let _ = self.presence.confirm();
            self.shared.wake();
            return Claim::NotMine;
        }
        if status & INTERRUPT_STATUS == 0 {
            return Claim::NotMine;
        }
        self.count += 1;
        self.registers.write(&INTMS, 1);
        // Flushes the posted write: until it arrives, the line is asserted, and handlers are called for nothing.
        self.registers.read(&INTMS);
        self.shared.report_event();
        Claim::Mine
    }

    fn activity(&self) -> Activity {
        self.shared.activity(0)
    }
}

/// The context of the messages.
type Routines = Each<NvmeMessage, (AdminRoutine, IoRoutine<0>, IoRoutine<1>)>;

/// The interrupts as they were granted.
pub(super) enum NvmeInterrupts {
    Messages(Messages<3, Routines, Live>),
    Line(Line<Exclusive<LineHandler>, Live>),
}

impl NvmeInterrupts {
    /// Grants messages, or else the line, and registers the handlers.
    pub(super) fn grant(
        irq: InterruptPort,
        shared: &Arc<Shared>,
        registers: &Arc<Bar<Registers>>,
        config: Config,
        presence: Presence,
    ) -> Result<Self, ProbeError> {
        let irq = match irq.grant_messages() {
            Ok(messages) => {
                let admin = AdminRoutine { shared: shared.clone(), count: 0 };
                let read = IoRoutine { shared: shared.clone(), count: 0 };
                let write = IoRoutine { shared: shared.clone(), count: 0 };
                return Ok(Self::Messages(messages.register_each((admin, read, write)).unmask()));
            }
            Err((_, irq)) => irq,
        };
        let (shared, registers) = (shared.clone(), registers.clone());
        let handler = LineHandler { shared, registers, config, presence, count: 0 };
        Ok(Self::Line(irq.grant_line()?.register_exclusive(handler).unmask()))
    }

    pub(super) fn mode(&self) -> Mode {
        match self {
            Self::Messages(messages) => messages.mode(),
            Self::Line(_) => Mode::Intx,
        }
    }

    /// Returns the pairs of I/O queues that can have an interrupt of their own: one for each message but that of the admin queue.
    pub(super) fn pairs(&self) -> usize {
        match self {
            Self::Messages(messages) => messages.vectors().saturating_sub(1).max(1),
            Self::Line(_) => 1,
        }
    }

    /// Returns the controller's number of the interrupt of a pair of I/O queues (5.3): the entry of its message; 0 for the line.
    pub(super) fn vector(&self, message: NvmeMessage) -> u16 {
        match self {
            Self::Messages(messages) => messages.entry(message),
            Self::Line(_) => 0,
        }
    }

    /// Returns the interrupts served for each message; with a line, the first is that of all together.
    pub(super) fn counts(&mut self) -> [u64; 3] {
        match self {
            Self::Messages(messages) => {
                messages.with_routines(|(admin, read, write)| [admin.count, read.count, write.count])
            }
            Self::Line(line) => line.with_state(|handler| [handler.count, 0, 0]),
        }
    }
}

impl fmt::Debug for NvmeInterrupts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NvmeInterrupts").field("mode", &self.mode()).finish_non_exhaustive()
    }
}
