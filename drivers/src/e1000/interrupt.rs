//! What the card's handler and its tasks share.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::Waker;

use atomic_waker::AtomicWaker;
use switchboard::function::Presence;
use switchboard::interrupt::{Claim, InIsr, LineIsr};
use switchboard::mmio::Bar;

use super::counters::Counters;
use super::registers::{Causes, ICR, IMC, IMS, Registers, STATUS, STATUS_LINK_UP};

/// What interrupts all the time. Transmission does not: a full ring asks for it, once.
const ALWAYS: Causes = Causes::RECEIVED.union(Causes::OVERRUN).union(Causes::LINK);

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) registers: Bar<Registers>,
    pub(super) presence: Presence,
    pub(super) counters: Arc<Counters>,
    link: AtomicBool,
    received: AtomicWaker,
    transmitted: AtomicWaker,
    link_changed: AtomicWaker,
}

impl Shared {
    pub(super) fn new(registers: Bar<Registers>, presence: Presence) -> Self {
        Self {
            registers,
            presence,
            counters: Arc::default(),
            link: AtomicBool::new(false),
            received: AtomicWaker::new(),
            transmitted: AtomicWaker::new(),
            link_changed: AtomicWaker::new(),
        }
    }

    /// Lets the card interrupt. The link is looked at after that, so that no change is missed.
    pub(super) fn unmask(&self) {
        self.registers.write(&IMS, ALWAYS.bits());
        self.read_link();
    }

    pub(super) fn is_link_up(&self) -> bool {
        self.link.load(Ordering::Relaxed)
    }

    pub(super) fn wake_on_receive(&self, waker: &Waker) {
        self.received.register(waker);
    }

    /// Holds interrupts for frames that arrive back, or lets them through.
    pub(super) fn mask_received(&self, is_masked: bool) {
        let causes = (Causes::RECEIVED | Causes::OVERRUN).bits();
        match is_masked {
            true => self.registers.write(&IMC, causes),
            false => self.registers.write(&IMS, causes),
        }
    }

    pub(super) fn wake_on_link_change(&self, waker: &Waker) {
        self.link_changed.register(waker);
    }

    /// Unmasked before the waker is there to be called: the handler masks it again with the waker it takes, so one
    /// that comes in between leaves it unmasked for the next. The caller looks at the ring once more after this.
    pub(super) fn wake_on_transmit(&self, waker: &Waker) {
        self.registers.write(&IMS, Causes::TRANSMITTED.bits());
        self.transmitted.register(waker);
    }

    /// Wakes everybody who waits for the card, so that they find out that it is gone.
    fn wake_all(&self) {
        self.received.wake();
        self.transmitted.wake();
        self.link_changed.wake();
    }

    fn read_link(&self) {
        self.link.store(self.registers.read(&STATUS) & STATUS_LINK_UP != 0, Ordering::Relaxed);
    }
}

impl LineIsr for Shared {
    fn on_line(&self, _isr: &InIsr<'_>) -> Claim {
        // One read tells all causes and clears them, the masked ones too: nothing is lost by that, since a ring is
        // looked at again after its waker was registered. It also lets what the card wrote to memory arrive first.
        let found = self.registers.read(&ICR);
        let causes = Causes::from_bits_truncate(found);
        // All ones: the card is gone, and the wire is somebody else's.
        if found == u32::MAX {
            if self.presence.confirm().is_err() {
                self.wake_all();
            }
            return Claim::NotMine;
        }
        if causes.is_empty() {
            return Claim::NotMine;
        }
        if causes.contains(Causes::OVERRUN) {
            self.counters.count_overrun();
        }
        if causes.intersects(Causes::RECEIVED | Causes::OVERRUN) {
            self.received.wake();
        }
        if causes.contains(Causes::TRANSMITTED)
            && let Some(waker) = self.transmitted.take()
        {
            self.registers.write(&IMC, Causes::TRANSMITTED.bits());
            waker.wake();
        }
        if causes.contains(Causes::LINK) {
            self.read_link();
            self.link_changed.wake();
        }
        Claim::Mine
    }
}
