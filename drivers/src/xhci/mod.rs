//! An xHCI USB controller, the part that interrupts: the command ring, and as many interrupters as it was granted
//! messages.
//!
//! Section numbers are those of the xHCI specification 1.1. No device on the bus is looked at. Commands complete on
//! interrupter 0 always (4.17.1: only transfers can choose), so the others are raised by their event rings: where
//! the driver says that it has read up to a place that the controller has not written to, the ring counts as not
//! empty, and an interrupter whose ring is not empty interrupts again when it is told that handling is over
//! (4.17.2). On the line there is only interrupter 0.

mod registers;
mod rings;
#[cfg(test)]
mod tests;

use alloc::sync::Arc;
use alloc::vec::Vec;

use switchboard::bar::{Bar, BarSlot};
use switchboard::dma::{BusAddress, DmaPort, DmaShared};
use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::function::{Function, Resources};
use switchboard::interrupt::{Claim, InIsr, Interrupts, LineIsr, Live, MessageIsr, MessageSet, Mode};
use switchboard::machine::Clock;
use switchboard::messages;
use switchboard::sync::{Notifier, Waiter, event};

use crate::raise::{Count, Lane, Raise, RaiseError, lane_of};
use registers::{
    CAPLENGTH, COMMAND_DOORBELL, CONFIG, CRCR_HIGH, CRCR_LOW, Capability, Command, DBOFF, DCBAAP_HIGH, DCBAAP_LOW,
    Doorbells, HCSPARAMS1, HCSPARAMS2, Operational, PAGESIZE, RTSOFF, Runtime, Status, USBCMD, USBSTS, interrupter,
};
use rings::{CommandRing, EventRing, Kind};

/// Interrupters that this driver uses, at most.
const INTERRUPTERS: usize = 16;
/// A controller that is halting, or comes up from a reset, takes milliseconds (5.4.1: 16 ms to halt).
const PATIENCE: u64 = 100_000_000;

messages! {
    /// One for each interrupter.
    pub enum XhciMessage { I0, I1, I2, I3, I4, I5, I6, I7, I8, I9, I10, I11, I12, I13, I14, I15 }
}

#[derive(Debug)]
struct Shared {
    operational: Bar<Operational>,
    runtime: Bar<Runtime>,
    /// Where each interrupter's event ring begins: where one that nothing is ever written to is read to.
    starts: Vec<BusAddress>,
    /// One for each interrupter in use.
    lanes: Vec<Lane>,
    completed: Notifier,
}

impl Shared {
    fn serve(&self, index: usize, isr: &InIsr<'_>) {
        let Some(lane) = self.lanes.get(index) else { return };
        write(&self.runtime, index, interrupter::IMAN, interrupter::PENDING | interrupter::ENABLE);
        if index == 0 {
            // Its ring stays busy until the task has read it.
            self.completed.notify(isr);
        } else {
            self.read_to(index, self.starts[index]);
        }
        lane.answer();
    }

    /// Tells the controller up to where an event ring was read, and that its events are handled.
    fn read_to(&self, index: usize, place: BusAddress) {
        // The low half last: writing it is what counts.
        write(&self.runtime, index, interrupter::ERDP + 4, place.high());
        write(&self.runtime, index, interrupter::ERDP, place.low() | interrupter::BUSY);
    }
}

impl MessageIsr<INTERRUPTERS> for Shared {
    type Message = XhciMessage;

    fn on_message(&self, message: XhciMessage, isr: &InIsr<'_>) {
        self.serve(message.index(), isr);
    }
}

impl LineIsr for Shared {
    fn on_line(&self, isr: &InIsr<'_>) -> Claim {
        let status = self.operational.read(&USBSTS);
        if status == u32::MAX || read(&self.runtime, 0, interrupter::IMAN) & interrupter::PENDING == 0 {
            return Claim::NotMine;
        }
        self.operational.write(&USBSTS, Status::EVENT.bits());
        self.serve(0, isr);
        Claim::Mine
    }
}

/// One controller.
#[derive(Debug)]
pub struct Xhci {
    interrupts: Interrupts<INTERRUPTERS, Shared, Live>,
    shared: Arc<Shared>,
    doorbells: Bar<Doorbells>,
    commands: CommandRing,
    events: Vec<EventRing>,
    completed: Waiter,
    is_broken: bool,
    _memory: Memory,
}

impl Driver for Xhci {
    const NAME: &'static str = "xhci";
    /// NEC uPD720200.
    const MATCHES: &'static [Id] = &[Id::new(0x1033, 0x0194)];

    fn probe(function: Function) -> Result<Self, ProbeError> {
        let clock = function.machine().clock;
        let Resources { bar0, irq, dma, .. } = function.claim()?;
        let blocks = Blocks::map(bar0)?;
        reset(&blocks.operational, clock)?;
        let memory = Memory::new(&blocks, &dma)?;
        let commands = CommandRing::new(&dma)?;

        let mut granted: Interrupts<INTERRUPTERS, Shared> = irq.grant()?;
        // Messages that share a vector share its interrupter: there is one of these for each vector.
        let used = granted.as_messages().map_or(1, |messages| messages.vectors()).min(blocks.interrupters);
        let events = (0..used).map(|_| EventRing::new(&dma)).collect::<Result<Vec<_>, _>>()?;

        let (notifier, completed) = event();
        let shared = Arc::new(Shared {
            starts: events.iter().map(EventRing::dequeue).collect(),
            lanes: (0..used).map(|_| Lane::default()).collect(),
            operational: blocks.operational,
            runtime: blocks.runtime,
            completed: notifier,
        });
        start(&shared, &memory, &commands, &events);
        let interrupts = granted.register(shared.clone()).unmask();
        let (doorbells, is_broken) = (blocks.doorbells, false);
        Ok(Self { interrupts, shared, doorbells, commands, events, completed, is_broken, _memory: memory })
    }
}

/// What BAR 0 holds; the MSI-X table lies in it too.
struct Blocks {
    operational: Bar<Operational>,
    runtime: Bar<Runtime>,
    doorbells: Bar<Doorbells>,
    interrupters: usize,
    scratchpads: usize,
}

impl Blocks {
    fn map(bar0: BarSlot) -> Result<Self, ProbeError> {
        let windows = bar0.windows()?;
        let capability: Bar<Capability> = windows.map(0, 0x20)?;
        let [length, ..] = capability.read(&CAPLENGTH).to_le_bytes();
        let [_, interrupters, high, _] = capability.read(&HCSPARAMS1).to_le_bytes();
        let interrupters = usize::from(u16::from_le_bytes([interrupters, high & 7]));
        if interrupters == 0 || interrupters > 1024 {
            return Err(ProbeError::Device("a controller has 1 to 1,024 interrupters, and this one says otherwise"));
        }
        let (more, interrupters) = (capability.read(&HCSPARAMS2), interrupters.min(INTERRUPTERS));
        Ok(Self {
            operational: windows.map(length.into(), 0x3c)?,
            runtime: windows.map((capability.read(&RTSOFF) & !0x1f).into(), interrupter::place(interrupters))?,
            doorbells: windows.map((capability.read(&DBOFF) & !3).into(), 4)?,
            interrupters,
            // Ten bits, so no cast loses any.
            scratchpads: ((more >> 16 & 0x3e0) | more >> 27) as usize,
        })
    }
}

/// Memory that belongs to the controller while it runs.
#[derive(Debug)]
struct Memory {
    /// Contexts of devices, of which there are none; the first place names the scratchpads (6.1).
    contexts: DmaShared<u64>,
    _scratchpads: Option<DmaShared<u64>>,
    _pages: Vec<DmaShared<u64>>,
}

impl Memory {
    fn new(blocks: &Blocks, dma: &DmaPort) -> Result<Self, ProbeError> {
        if blocks.operational.read(&PAGESIZE) & 1 == 0 {
            return Err(ProbeError::Device("the controller does not know pages of 4,096 bytes"));
        }
        let mut contexts = rings::shared(dma, 256)?;
        let pages = (0..blocks.scratchpads).map(|_| rings::shared(dma, 512)).collect::<Result<Vec<_>, _>>()?;
        let mut scratchpads = None;
        if !pages.is_empty() {
            let mut table: DmaShared<u64> = rings::shared(dma, pages.len())?;
            for (index, page) in pages.iter().enumerate() {
                table.write(index, page.bus().get());
            }
            contexts.write(0, table.bus().get());
            scratchpads = Some(table);
        }
        Ok(Self { contexts, _scratchpads: scratchpads, _pages: pages })
    }
}

/// Halts and resets (4.2, 4.23.1).
fn reset(operational: &Bar<Operational>, clock: &dyn Clock) -> Result<(), ProbeError> {
    let within = |is_done: &dyn Fn() -> bool, what| {
        let start = clock.now();
        while !is_done() {
            if clock.now().saturating_sub(start) > PATIENCE {
                return Err(ProbeError::Device(what));
            }
        }
        Ok(())
    };
    let status = || Status::from_bits_truncate(operational.read(&USBSTS));
    operational.write(&USBCMD, 0);
    within(&|| status().contains(Status::HALTED), "the controller does not halt")?;
    operational.write(&USBCMD, Command::RESET.bits());
    within(&|| operational.read(&USBCMD) & Command::RESET.bits() == 0, "the reset does not end")?;
    within(&|| !status().contains(Status::NOT_READY), "the controller does not become ready")
}

fn start(shared: &Shared, memory: &Memory, commands: &CommandRing, events: &[EventRing]) {
    let Shared { operational, runtime, .. } = shared;
    operational.write(&CONFIG, 0);
    operational.write(&DCBAAP_LOW, memory.contexts.bus().low());
    operational.write(&DCBAAP_HIGH, memory.contexts.bus().high());
    // Bit 0: the cycle that the ring begins with.
    operational.write(&CRCR_LOW, commands.bus().low() | 1);
    operational.write(&CRCR_HIGH, commands.bus().high());
    for (index, ring) in events.iter().enumerate() {
        write(runtime, index, interrupter::IMOD, 0);
        write(runtime, index, interrupter::ERSTSZ, 1);
        shared.read_to(index, ring.dequeue());
        write(runtime, index, interrupter::ERSTBA, ring.table().low());
        write(runtime, index, interrupter::ERSTBA + 4, ring.table().high());
        write(runtime, index, interrupter::IMAN, interrupter::PENDING | interrupter::ENABLE);
    }
    operational.write(&USBCMD, (Command::RUN | Command::INTERRUPTS).bits());
}

fn read(runtime: &Bar<Runtime>, index: usize, register: u64) -> u32 {
    runtime.try_read(interrupter::place(index) + register).unwrap_or(0)
}

fn write(runtime: &Bar<Runtime>, index: usize, register: u64, value: u32) {
    let written = runtime.try_write(interrupter::place(index) + register, value);
    debug_assert!(written.is_some(), "the window holds all interrupters in use");
}

impl Xhci {
    /// Has the controller do nothing, and waits until it says that it has.
    ///
    /// # Errors
    /// [`RaiseError::Busy`], [`RaiseError::Broken`].
    pub async fn no_op(&mut self) -> Result<(), RaiseError> {
        self.raise(0)?;
        while self.commands.are_under_way() {
            self.completed.wait().await;
            self.take_completions()?;
        }
        Ok(())
    }

    /// Reads the events of interrupter 0, which lets it interrupt again.
    fn take_completions(&mut self) -> Result<(), RaiseError> {
        let Some(ring) = self.events.first_mut() else { return Err(RaiseError::Broken) };
        // A ring can hold no more; a controller that writes faster is looked at next time.
        for _ in 0..rings::BLOCKS {
            let Some(event) = ring.pop() else { break };
            // Changes of ports come here too, and are nobody's business.
            if event.is(Kind::CommandCompletion) && !self.commands.complete(&event) {
                self.is_broken = true;
                silence(&self.shared.operational);
                return Err(RaiseError::Broken);
            }
        }
        self.shared.read_to(0, ring.dequeue());
        Ok(())
    }
}

impl Raise for Xhci {
    fn mode(&self) -> Mode {
        self.interrupts.mode()
    }

    fn lanes(&self) -> usize {
        self.shared.lanes.len()
    }

    /// Lane 0 by a command that does nothing, the others by their event rings.
    fn raise(&mut self, lane: usize) -> Result<(), RaiseError> {
        if self.is_broken {
            return Err(RaiseError::Broken);
        }
        if lane > 0 {
            lane_of(&self.shared.lanes, lane)?.number();
            self.shared.read_to(lane, self.shared.starts[lane].offset(rings::BLOCK_BYTES));
            return Ok(());
        }
        self.take_completions()?;
        if !self.commands.push(Kind::NoOpCommand) {
            return Err(RaiseError::Busy);
        }
        lane_of(&self.shared.lanes, lane)?.number();
        self.doorbells.write(&COMMAND_DOORBELL, 0);
        Ok(())
    }

    fn count(&self, lane: usize) -> Count {
        self.shared.lanes.get(lane).map(Lane::count).unwrap_or_default()
    }
}

/// Halts, so that the controller reads and writes no ring any more.
fn silence(operational: &Bar<Operational>) {
    operational.write(&USBCMD, 0);
    operational.write(&USBCMD, Command::RESET.bits());
}

impl Drop for Xhci {
    fn drop(&mut self) {
        silence(&self.shared.operational);
    }
}
