//! An xHCI USB controller as a source of interrupts: the command ring, and an interrupter for each granted message.
//!
//! Section numbers are those of the xHCI specification 1.1. USB devices are not enumerated. Commands always complete on
//! interrupter 0 (4.17.1: only transfers can choose), so the others are raised by their event rings: with a dequeue
//! pointer ahead of the controller's own, a ring counts as not empty, and an interrupter whose ring is not empty interrupts
//! again when Event Handler Busy is cleared (4.17.2). On the line there is only interrupter 0.

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
use switchboard::interrupt::{Claim, Cpu, InIsr, Interrupts, LineIsr, Live, MessageIsr, MessageSet, Mode, SteerError};
use switchboard::messages;
use switchboard::mmio::Bar;

use crate::raise::{InterruptSource, Raise, RaiseError, SourceCounts, source_of, steer};
use bring_up::{ControllerMemory, RegisterBlocks, quiesce, reset, start};
use registers::{
    COMMAND_DOORBELL, Doorbells, ENABLE, ERDP, IMAN, Interrupter, Operational, PENDING, USBSTS, UsbStatus,
};
use rings::{CommandRing, EventRing, TrbType};

/// The largest number of interrupters that this driver uses.
const INTERRUPTERS: usize = 16;
messages! {
    /// The message of each interrupter.
    pub enum XhciMessage { I0, I1, I2, I3, I4, I5, I6, I7, I8, I9, I10, I11, I12, I13, I14, I15 }
}

#[derive(Debug)]
struct Shared {
    operational: Bar<Operational>,
    interrupters: Vec<Bar<Interrupter>>,
    presence: Presence,
    /// For each interrupter, the dequeue pointers with which its ring counts as empty and as not empty.
    dequeue_pointers: Vec<[BusAddress; 2]>,
    /// The source of each interrupter in use.
    sources: Vec<InterruptSource>,
    completed: Notifier,
}

impl Shared {
    fn serve(&self, index: usize, isr: &InIsr<'_>) {
        let Some(source) = self.sources.get(index) else { return };
        self.interrupters[index].write(&IMAN, PENDING | ENABLE);
        if index == 0 {
            // Event Handler Busy stays set until the task has read the ring.
            self.completed.notify(isr);
        } else {
            let [empty, _] = self.dequeue_pointers[index];
            self.set_dequeue_pointer(index, empty);
        }
        source.served();
    }

    /// Writes the dequeue pointer of an event ring, and clears Event Handler Busy.
    fn set_dequeue_pointer(&self, index: usize, pointer: BusAddress) {
        self.interrupters[index].write_address_pair(&ERDP, pointer);
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
            // All ones: wakes the waiting task if the controller was removed. The interrupt is another device's.
            if self.presence.confirm().is_err() {
                self.completed.notify(isr);
            }
            return Claim::NotMine;
        }
        if self.interrupters[0].read(&IMAN) & PENDING == 0 {
            return Claim::NotMine;
        }
        self.operational.write(&USBSTS, UsbStatus::EVENT.bits());
        self.serve(0, isr);
        Claim::Mine
    }
}

/// A controller that is used only as a source of interrupts.
#[derive(Debug)]
pub struct Xhci {
    interrupts: Interrupts<INTERRUPTERS, Shared, Live>,
    shared: Arc<Shared>,
    doorbells: Bar<Doorbells>,
    commands: CommandRing,
    events: Vec<EventRing>,
    completed: Waiter,
    is_quarantined: bool,
    bus: BusPort,
    _memory: ControllerMemory,
}

impl Driver for Xhci {
    const NAME: &'static str = "xhci";
    /// NEC's controller. The driver `xhci` of `switchboard-drivers` is for all.
    const MATCHES: &'static [Id] = &[Id::new(0x1033, 0x0194)];

    fn probe(function: Function) -> Result<Self, ProbeError> {
        let clock = function.clock();
        let Resources { bar0, irq, dma, bus, presence, .. } = function.claim()?;
        let blocks = RegisterBlocks::map(bar0)?;
        reset(&blocks.operational, clock)?;
        let memory = ControllerMemory::new(&blocks, &dma)?;
        let commands = CommandRing::new(&dma)?;

        let mut granted: Interrupts<INTERRUPTERS, Shared> = irq.grant()?;
        // Messages that fold into one vector share its interrupter, so there is one interrupter for each vector.
        let used = granted.as_messages().map_or(1, |messages| messages.vectors()).min(blocks.interrupters.len());
        let events = (0..used).map(|_| EventRing::new(&dma)).collect::<Result<Vec<_>, _>>()?;

        let (notifier, completed) = event();
        let shared = Arc::new(Shared {
            dequeue_pointers: events.iter().map(EventRing::empty_and_ahead).collect(),
            sources: (0..used).map(|_| InterruptSource::default()).collect(),
            operational: blocks.operational,
            interrupters: blocks.interrupters,
            presence,
            completed: notifier,
        });
        start(&shared, &memory, &commands, &events);
        let interrupts = granted.register(shared.clone()).unmask();
        let (doorbells, is_quarantined) = (blocks.doorbells, false);
        Ok(Self { interrupts, shared, doorbells, commands, events, completed, is_quarantined, bus, _memory: memory })
    }
}

impl Xhci {
    /// Executes a No Op command, and waits for its completion.
    ///
    /// # Errors
    /// [`RaiseError::Busy`], [`RaiseError::Quarantined`], [`RaiseError::Gone`].
    pub async fn no_op(&mut self) -> Result<(), RaiseError> {
        self.raise(0)?;
        while self.commands.has_pending() {
            self.completed.wait().await;
            self.shared.presence.check()?;
            self.take_completions()?;
        }
        Ok(())
    }

    /// Reads the events of interrupter 0, and enables it to interrupt again.
    fn take_completions(&mut self) -> Result<(), RaiseError> {
        let Some(ring) = self.events.first_mut() else { return Err(RaiseError::Quarantined) };
        // At most one ring: a controller that writes faster must not occupy the CPU.
        for _ in 0..rings::RING_TRBS {
            let Some(event) = ring.pop() else { break };
            // Events of other types, such as port changes, are ignored.
            if event.is(TrbType::CommandCompletion) && !self.commands.complete(&event) {
                self.is_quarantined = true;
                self.bus.isolate();
                quiesce(&self.shared.operational);
                return Err(RaiseError::Quarantined);
            }
        }
        self.shared.set_dequeue_pointer(0, ring.dequeue_pointer());
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

    /// Raises source 0 by a No Op command, and the others by their event rings.
    fn raise(&mut self, source: usize) -> Result<(), RaiseError> {
        self.shared.presence.check()?;
        if self.is_quarantined {
            return Err(RaiseError::Quarantined);
        }
        if source > 0 {
            source_of(&self.shared.sources, source)?.next_number();
            let [_, ahead] = self.shared.dequeue_pointers[source];
            self.shared.set_dequeue_pointer(source, ahead);
            return Ok(());
        }
        self.take_completions()?;
        if !self.commands.push(TrbType::NoOpCommand) {
            return Err(RaiseError::Busy);
        }
        source_of(&self.shared.sources, source)?.next_number();
        self.doorbells.write(&COMMAND_DOORBELL, 0);
        Ok(())
    }

    fn steer(&mut self, source: usize, cpu: Cpu) -> Result<(), SteerError> {
        steer(&mut self.interrupts, source, cpu)
    }

    fn count(&self, source: usize) -> SourceCounts {
        self.shared.sources.get(source).map(InterruptSource::count).unwrap_or_default()
    }
}

impl Drop for Xhci {
    fn drop(&mut self) {
        quiesce(&self.shared.operational);
    }
}
