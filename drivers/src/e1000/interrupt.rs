//! The card's handler, what it has for itself, and what it shares with the tasks.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::Waker;

use atomic_waker::AtomicWaker;
use switchboard::event::Deferred;
use switchboard::function::Presence;
use switchboard::interrupt::{Claim, InIsr, LineRoutine};
use switchboard::mmio::Bar;

use super::counters::E1000Counters;
use super::registers::{CRCERRS, Causes, ICR, IMC, IMS, MPC, Registers, STATUS, STATUS_LINK_UP};

/// What interrupts all the time. Transmission does not: a full ring asks for it, once.
const ALWAYS: Causes = Causes::RECEIVED.union(Causes::OVERRUN).union(Causes::LINK);

/// What the handler shares with the tasks.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) registers: Bar<Registers>,
    pub(super) presence: Presence,
    pub(super) counters: Arc<E1000Counters>,
    is_link_up: AtomicBool,
    received: AtomicWaker,
    transmitted: AtomicWaker,
}

impl Shared {
    pub(super) fn new(registers: Bar<Registers>, presence: Presence) -> Self {
        Self {
            registers,
            presence,
            counters: Arc::default(),
            is_link_up: AtomicBool::new(false),
            received: AtomicWaker::new(),
            transmitted: AtomicWaker::new(),
        }
    }

    /// Lets the card interrupt. The link is looked at after that, so that no change is missed.
    pub(super) fn unmask(&self) {
        self.registers.write(&IMS, ALWAYS.bits());
        self.read_link();
    }

    pub(super) fn is_link_up(&self) -> bool {
        self.is_link_up.load(Ordering::Relaxed)
    }

    /// Looks at the link: at first, and by [deferred work](switchboard::event::deferred) when the handler asks for it.
    pub(super) fn read_link(&self) {
        self.is_link_up.store(self.registers.read(&STATUS) & STATUS_LINK_UP != 0, Ordering::Relaxed);
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

    /// Unmasked before the waker is there to be called: the handler masks it again with the waker it takes, so one
    /// that comes in between leaves it unmasked for the next. The caller looks at the ring once more after this.
    pub(super) fn wake_on_transmit(&self, waker: &Waker) {
        self.registers.write(&IMS, Causes::TRANSMITTED.bits());
        self.transmitted.register(waker);
    }
}

/// The handler. Its registration owns it, so what only it touches needs no lock and no atomics; a task gets at that by
/// [`Line::with_state`](switchboard::interrupt::Line::with_state), while no interrupt is served.
#[derive(Debug)]
pub(super) struct Handler {
    shared: Arc<Shared>,
    /// Asks for a look at the link, outside the interrupt.
    link_change: Deferred,
    statistics: E1000Statistics,
}

/// What the card has counted by itself, since it was probed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct E1000Statistics {
    /// Frames for which the card found no room.
    pub missed: u64,
    /// Frames with a wrong CRC.
    pub crc_errors: u64,
}

impl Handler {
    pub(super) fn new(shared: Arc<Shared>, link_change: Deferred) -> Self {
        Self { shared, link_change, statistics: E1000Statistics::default() }
    }

    /// Adds up what the card has counted. Reading clears the card's counters, which are 32 bits wide: every read has to be
    /// added up, and two readers at once would lose counts.
    pub(super) fn collect(&mut self) -> E1000Statistics {
        let read = |register| match self.shared.registers.read(register) {
            // More likely the card is gone.
            u32::MAX => 0,
            count => u64::from(count),
        };
        self.statistics.missed += read(&MPC);
        self.statistics.crc_errors += read(&CRCERRS);
        self.statistics
    }

    /// Wakes everything that waits for the card, so that it finds out that the card is gone.
    fn wake_all(&self, isr: &InIsr<'_>) {
        self.shared.received.wake();
        self.shared.transmitted.wake();
        self.link_change.request(isr);
    }
}

impl LineRoutine for Handler {
    fn on_line(&mut self, isr: &InIsr<'_>) -> Claim {
        let shared = &self.shared;
        // One read returns all causes and clears them, the masked ones too: nothing is lost by that, since a ring is
        // looked at again after its waker was registered. It also lets what the card wrote to memory arrive first.
        let found = shared.registers.read(&ICR);
        let causes = Causes::from_bits_truncate(found);
        // All ones: the card is gone, and the line was asserted by another function.
        if found == u32::MAX {
            if shared.presence.confirm().is_err() {
                self.wake_all(isr);
            }
            return Claim::NotMine;
        }
        if causes.is_empty() {
            return Claim::NotMine;
        }
        if causes.intersects(Causes::RECEIVED | Causes::OVERRUN) {
            shared.received.wake();
        }
        if causes.contains(Causes::TRANSMITTED)
            && let Some(waker) = shared.transmitted.take()
        {
            shared.registers.write(&IMC, Causes::TRANSMITTED.bits());
            waker.wake();
        }
        if causes.contains(Causes::LINK) {
            self.link_change.request(isr);
        }
        if causes.contains(Causes::OVERRUN) {
            shared.counters.count_overrun();
            self.collect();
        }
        Claim::Mine
    }
}
