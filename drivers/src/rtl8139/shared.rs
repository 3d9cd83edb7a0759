//! The state that the handler of the line shares with tasks.

use core::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use core::task::Waker;

use atomic_waker::AtomicWaker;
use switchboard::event::Notifier;
use switchboard::function::Presence;
use switchboard::interrupt::{Activity, Claim, InIsr, LineIsr};
use switchboard::mmio::Bar;

use super::registers::{CPCR, CR, CR_RESET, Causes, IMR, ISR, MSR, MSR_LINK_DOWN, Registers};
use crate::interfaces::network::CardCounters;

/// State that the handler shares with tasks.
#[derive(Debug)]
pub struct Shared {
    pub(super) registers: Bar<Registers>,
    pub(super) presence: Presence,
    pub(super) counters: alloc::sync::Arc<CardCounters>,
    pub(super) is_link_up: AtomicBool,
    pub(super) link_change: Notifier,
    pub(super) received: AtomicWaker,
    transmitted: AtomicWaker,
    /// What `IMR` holds.
    enabled: AtomicU16,
}

impl Shared {
    pub(super) fn new(registers: Bar<Registers>, presence: Presence, link_change: Notifier) -> Self {
        Self {
            registers,
            presence,
            counters: alloc::sync::Arc::default(),
            is_link_up: AtomicBool::new(false),
            link_change,
            received: AtomicWaker::new(),
            transmitted: AtomicWaker::new(),
            enabled: AtomicU16::new(0),
        }
    }

    /// Enables causes. A handler that disables others meanwhile may find them enabled again, and disables them once more.
    pub(super) fn enable(&self, causes: Causes) {
        let before = self.enabled.fetch_or(causes.bits(), Ordering::AcqRel);
        self.registers.write(&IMR, before | causes.bits());
    }

    pub(super) fn disable(&self, causes: Causes) {
        let before = self.enabled.fetch_and(!causes.bits(), Ordering::AcqRel);
        self.registers.write(&IMR, before & !causes.bits());
    }

    pub(super) fn read_link(&self) {
        self.is_link_up.store(self.registers.read(&MSR) & MSR_LINK_DOWN == 0, Ordering::Relaxed);
    }

    /// Registers the waker and enables the interrupt of sent frames, in this order: the handler disables it when it takes the
    /// waker. The caller then checks the ring again.
    pub(super) fn wake_on_transmit(&self, waker: &Waker) {
        self.transmitted.register(waker);
        self.enable(Causes::TRANSMIT);
    }

    /// Stops interrupts and DMA, and begins a reset.
    pub(super) fn quiesce(&self) {
        quiesce(&self.registers);
    }
}

/// Stops interrupts and DMA, and begins a reset.
pub(super) fn quiesce(registers: &Bar<Registers>) {
    registers.write(&IMR, 0);
    registers.write(&CR, 0);
    registers.write(&CPCR, 0);
    registers.write(&CR, CR_RESET);
}

impl LineIsr for Shared {
    fn on_line(&self, isr: &InIsr<'_>) -> Claim {
        let found = self.registers.read(&ISR);
        // All ones: the card was removed, and another function asserts the line.
        if found == u16::MAX {
            if self.presence.confirm().is_err() {
                self.received.wake();
                self.transmitted.wake();
                self.link_change.notify(isr);
            }
            return Claim::NotMine;
        }
        // Causes that are not enabled assert no line.
        let causes = Causes::from_bits_truncate(found & self.enabled.load(Ordering::Acquire));
        if causes.is_empty() {
            return Claim::NotMine;
        }
        self.registers.write(&ISR, found);
        // Flushes the posted write: until it arrives, the line is asserted, and handlers are called for nothing.
        self.registers.read(&ISR);
        if causes.intersects(Causes::RECEIVE) {
            self.received.wake();
        }
        if causes.intersects(Causes::OVERRUN) {
            self.counters.count_overrun();
        }
        if causes.intersects(Causes::TRANSMIT) {
            self.disable(Causes::TRANSMIT);
            self.transmitted.wake();
        }
        if causes.contains(Causes::LINK) {
            self.link_change.notify(isr);
        }
        Claim::Mine
    }

    /// Causes that are enabled and that the handler has not acknowledged are pending.
    fn activity(&self) -> Activity {
        match self.registers.read(&ISR) {
            u16::MAX => Activity::UNRESPONSIVE,
            found => {
                let is_pending = found & self.enabled.load(Ordering::Acquire) != 0;
                Activity::pending_if(is_pending.then_some(0))
            }
        }
    }
}
