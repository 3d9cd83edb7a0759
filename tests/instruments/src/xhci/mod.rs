//! An xHCI USB controller, the part that interrupts: the command ring, and as many interrupters as it was granted
//! messages.
//!
//! Section numbers are those of the xHCI specification 1.1. No device on the bus is looked at. Commands complete on
//! interrupter 0 always (4.17.1: only transfers can choose), so the others are raised by their event rings: where
//! the driver says that it has read up to a place that the controller has not written to, the ring counts as not
//! empty, and an interrupter whose ring is not empty interrupts again when it is told that handling is over
//! (4.17.2). On the line there is only interrupter 0.

mod bring_up;
mod registers;
mod rings;
#[cfg(test)]
mod tests;

use alloc::sync::Arc;
use alloc::vec::Vec;

use switchboard::dma::BusAddress;
use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::event::{Notifier, Waiter, event};
use switchboard::function::{BusPort, Function, Presence, Resources};
use switchboard::interrupt::{Claim, InIsr, Interrupts, LineIsr, Live, MessageIsr, MessageSet, Mode};
use switchboard::messages;
use switchboard::mmio::Bar;

use crate::raise::{Count, InterruptSource, Raise, RaiseError, source_of};
use bring_up::{Blocks, Memory, reset, silence, start};
use registers::{COMMAND_DOORBELL, Doorbells, ENABLE, ERDP, IMAN, Interrupter, Operational, PENDING, Status, USBSTS};
use rings::{CommandRing, EventRing, Kind};

/// Interrupters that this driver uses, at most.
const INTERRUPTERS: usize = 16;
messages! {
    /// One for each interrupter.
    pub enum XhciMessage { I0, I1, I2, I3, I4, I5, I6, I7, I8, I9, I10, I11, I12, I13, I14, I15 }
}

#[derive(Debug)]
struct Shared {
    operational: Bar<Operational>,
    interrupters: Vec<Bar<Interrupter>>,
    presence: Presence,
    /// Of each interrupter's event ring: where one that nothing is ever written to counts as empty, and where as one that
    /// holds something.
    places: Vec<[BusAddress; 2]>,
    /// One for each interrupter in use.
    sources: Vec<InterruptSource>,
    completed: Notifier,
}

impl Shared {
    fn serve(&self, index: usize, isr: &InIsr<'_>) {
        let Some(source) = self.sources.get(index) else { return };
        self.interrupters[index].write(&IMAN, PENDING | ENABLE);
        if index == 0 {
            // Its ring stays busy until the task has read it.
            self.completed.notify(isr);
        } else {
            let [at_rest, _] = self.places[index];
            self.read_to(index, at_rest);
        }
        source.answer();
    }

    /// Tells the controller up to where an event ring was read, and that its events are handled.
    fn read_to(&self, index: usize, place: BusAddress) {
        self.interrupters[index].write_address_pair(&ERDP, place);
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
        if status == u32::MAX {
            // Gone, and the wire is somebody else's. Whoever waits for it is to know.
            if self.presence.confirm().is_err() {
                self.completed.notify(isr);
            }
            return Claim::NotMine;
        }
        if self.interrupters[0].read(&IMAN) & PENDING == 0 {
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
    bus: BusPort,
    _memory: Memory,
}

impl Driver for Xhci {
    const NAME: &'static str = "xhci";
    /// By its class: a USB controller with the interface of xHCI.
    const MATCHES: &'static [Id] = &[Id::class(0x0c, 0x03).interface(0x30)];

    fn probe(function: Function) -> Result<Self, ProbeError> {
        let clock = function.clock();
        let Resources { bar0, irq, dma, bus, presence, .. } = function.claim()?;
        let blocks = Blocks::map(bar0)?;
        reset(&blocks.operational, clock)?;
        let memory = Memory::new(&blocks, &dma)?;
        let commands = CommandRing::new(&dma)?;

        let mut granted: Interrupts<INTERRUPTERS, Shared> = irq.grant()?;
        // Messages that share a vector share its interrupter: there is one of these for each vector.
        let used = granted.as_messages().map_or(1, |messages| messages.vectors()).min(blocks.interrupters.len());
        let events = (0..used).map(|_| EventRing::new(&dma)).collect::<Result<Vec<_>, _>>()?;

        let (notifier, completed) = event();
        let shared = Arc::new(Shared {
            places: events.iter().map(EventRing::rest_and_ahead).collect(),
            sources: (0..used).map(|_| InterruptSource::default()).collect(),
            operational: blocks.operational,
            interrupters: blocks.interrupters,
            presence,
            completed: notifier,
        });
        start(&shared, &memory, &commands, &events);
        let interrupts = granted.register(shared.clone()).unmask();
        let (doorbells, is_broken) = (blocks.doorbells, false);
        Ok(Self { interrupts, shared, doorbells, commands, events, completed, is_broken, bus, _memory: memory })
    }
}

impl Xhci {
    /// Has the controller do nothing, and waits until it says that it has.
    ///
    /// # Errors
    /// [`RaiseError::Busy`], [`RaiseError::Broken`], [`RaiseError::Gone`].
    pub async fn no_op(&mut self) -> Result<(), RaiseError> {
        self.raise(0)?;
        while self.commands.are_under_way() {
            self.completed.wait().await;
            self.shared.presence.check()?;
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
                self.bus.isolate();
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

    fn sources(&self) -> usize {
        self.shared.sources.len()
    }

    /// InterruptSource 0 by a command that does nothing, the others by their event rings.
    fn raise(&mut self, source: usize) -> Result<(), RaiseError> {
        self.shared.presence.check()?;
        if self.is_broken {
            return Err(RaiseError::Broken);
        }
        if source > 0 {
            source_of(&self.shared.sources, source)?.number();
            let [_, ahead] = self.shared.places[source];
            self.shared.read_to(source, ahead);
            return Ok(());
        }
        self.take_completions()?;
        if !self.commands.push(Kind::NoOpCommand) {
            return Err(RaiseError::Busy);
        }
        source_of(&self.shared.sources, source)?.number();
        self.doorbells.write(&COMMAND_DOORBELL, 0);
        Ok(())
    }

    fn count(&self, source: usize) -> Count {
        self.shared.sources.get(source).map(InterruptSource::count).unwrap_or_default()
    }
}

impl Drop for Xhci {
    fn drop(&mut self) {
        silence(&self.shared.operational);
    }
}
