//! The interrupt handler: one for all ports, by a message or by the line.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use atomic_waker::AtomicWaker;
use switchboard::function::Presence;
use switchboard::interrupt::{Activity, Claim, InIsr, LineIsr, MessageIsr};
use switchboard::messages;
use switchboard::mmio::Bar;

use super::registers::{HbaRegisters, IS, PXIS, PXSERR, PortInterrupts, PortRegisters};

messages! {
    /// The only message: something has happened at a port. Which one is in the registers.
    pub enum AhciMessage { Ports }
}

/// State of a port that the handler shares with the driver.
#[derive(Debug)]
pub(super) struct PortShared {
    pub(super) number: u8,
    pub(super) registers: Arc<Bar<PortRegisters>>,
    /// The task that collects finished requests.
    pub(super) collector: AtomicWaker,
    /// The number of interrupts for finished commands, which wraps.
    pub(super) done_count: AtomicU32,
    /// [`PortInterrupts`] that were not handled yet, but those of finished commands.
    events: AtomicU32,
    /// There is a disk, and a driver's value for it.
    pub(super) is_in_use: AtomicBool,
}

impl PortShared {
    pub(super) fn new(number: u8, registers: Arc<Bar<PortRegisters>>) -> Self {
        Self {
            number,
            registers,
            collector: AtomicWaker::new(),
            done_count: AtomicU32::new(0),
            events: AtomicU32::new(0),
            is_in_use: AtomicBool::new(false),
        }
    }

    pub(super) fn has_events(&self) -> bool {
        self.events.load(Ordering::Acquire) != 0
    }

    pub(super) fn take_events(&self) -> PortInterrupts {
        PortInterrupts::from_bits_retain(self.events.swap(0, Ordering::AcqRel))
    }
}

/// State of the HBA that the handler shares with the driver.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) hba: Bar<HbaRegisters>,
    pub(super) presence: Presence,
    /// The ports that are implemented.
    pub(super) ports: Vec<Arc<PortShared>>,
    /// The task that waits for disks to be added or removed.
    pub(super) watcher: AtomicWaker,
    pub(super) has_change: AtomicBool,
}

impl Shared {
    /// Wakes the task that waits for disks.
    pub(super) fn report_change(&self) {
        self.has_change.store(true, Ordering::Release);
        self.watcher.wake();
    }

    fn wake_all(&self) {
        self.ports.iter().for_each(|port| port.collector.wake());
        self.report_change();
    }

    /// Acknowledges the interrupts of one port: those that were read, then, by the caller, that of the HBA (3.1.3).
    fn serve_port(&self, port: &PortShared) {
        let status = PortInterrupts::from_bits_retain(port.registers.read(&PXIS));
        if status.intersects(PortInterrupts::PLUG) {
            // These bits reflect the error register, and are cleared there.
            port.registers.write(&PXSERR, port.registers.read(&PXSERR));
        }
        port.registers.write(&PXIS, status.bits());
        if status.intersects(PortInterrupts::DONE) {
            port.done_count.fetch_add(1, Ordering::Release);
        }
        let events = status & (PortInterrupts::PLUG | PortInterrupts::ERROR);
        if !events.is_empty() {
            port.events.fetch_or(events.bits(), Ordering::AcqRel);
        }
        port.collector.wake();
        if events.intersects(PortInterrupts::PLUG) {
            self.report_change();
        }
    }

    fn serve(&self) -> Claim {
        let pending = if self.presence.is_gone() { u32::MAX } else { self.hba.read(&IS) };
        // All ones are what a removed function reads, or 32 busy ports.
        if pending == u32::MAX && self.presence.confirm().is_err() {
            self.wake_all();
            return Claim::NotMine;
        }
        let mut served = 0;
        for port in self.ports.iter().filter(|port| pending >> port.number & 1 != 0) {
            self.serve_port(port);
            served |= 1 << port.number;
        }
        if served == 0 {
            return Claim::NotMine;
        }
        self.hba.write(&IS, served);
        Claim::Mine
    }
}

impl Shared {
    /// Interrupts that the handler has not acknowledged are pending. Requests have time limits of their own.
    fn pending(&self) -> Activity {
        let pending = if self.presence.is_gone() { 0 } else { self.hba.read(&IS) };
        Activity::pending_if((pending != 0 && pending != u32::MAX).then_some(pending))
    }
}

impl MessageIsr<1> for Shared {
    type Message = AhciMessage;

    fn on_message(&self, AhciMessage::Ports: AhciMessage, _isr: &InIsr<'_>) {
        let _ = self.serve();
    }

    fn activity(&self, AhciMessage::Ports: AhciMessage) -> Activity {
        self.pending()
    }
}

impl LineIsr for Shared {
    fn on_line(&self, _isr: &InIsr<'_>) -> Claim {
        let claim = self.serve();
        if claim == Claim::Mine {
            // Flushes the posted acknowledgement: until it arrives, the line is asserted, and handlers are called for nothing.
            self.hba.read(&IS);
        }
        claim
    }

    fn activity(&self) -> Activity {
        self.pending()
    }
}
