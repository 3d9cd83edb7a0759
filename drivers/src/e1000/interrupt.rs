//! The interrupt handler of the card, its own state, and the state that it shares with tasks.

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

/// The causes that are always enabled. Transmission is not: it is enabled once for each time that the ring is full.
const ALWAYS: Causes = Causes::RECEIVED.union(Causes::OVERRUN).union(Causes::LINK);

/// The state that the handler shares with tasks.
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

    /// Enables the interrupts of the card. The link state is read afterwards, so that no change is missed.
    pub(super) fn unmask(&self) {
        self.registers.write(&IMS, ALWAYS.bits());
        self.read_link();
    }

    pub(super) fn is_link_up(&self) -> bool {
        self.is_link_up.load(Ordering::Relaxed)
    }

    /// Reads the link state: after the start, and as [deferred work](switchboard::event::deferred) of the handler.
    pub(super) fn read_link(&self) {
        self.is_link_up.store(self.registers.read(&STATUS) & STATUS_LINK_UP != 0, Ordering::Relaxed);
    }

    pub(super) fn wake_on_receive(&self, waker: &Waker) {
        self.received.register(waker);
    }

    /// Masks or unmasks the receive interrupts.
    pub(super) fn mask_received(&self, is_masked: bool) {
        let causes = (Causes::RECEIVED | Causes::OVERRUN).bits();
        match is_masked {
            true => self.registers.write(&IMC, causes),
            false => self.registers.write(&IMS, causes),
        }
    }

    /// Unmasks the transmit interrupt and registers the waker, in this order: the handler masks the interrupt only when it takes a
    /// waker, so one that comes in between leaves it unmasked. The caller then checks the ring again.
    pub(super) fn wake_on_transmit(&self, waker: &Waker) {
        self.registers.write(&IMS, Causes::TRANSMITTED.bits());
        self.transmitted.register(waker);
    }
}

/// The handler. Its registration owns it, so its own state needs no lock and no atomics; a task has access by
/// [`Line::with_state`](switchboard::interrupt::Line::with_state), while the handler does not run.
#[derive(Debug)]
pub(super) struct Handler {
    shared: Arc<Shared>,
    /// Requests [`Shared::read_link`] outside the interrupt.
    link_change: Deferred,
    statistics: E1000Statistics,
}

/// The statistics that the card itself keeps, since the probe.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct E1000Statistics {
    /// Frames for which the card had no room.
    pub missed: u64,
    /// Frames with a wrong CRC.
    pub crc_errors: u64,
}

impl Handler {
    pub(super) fn new(shared: Arc<Shared>, link_change: Deferred) -> Self {
        Self { shared, link_change, statistics: E1000Statistics::default() }
    }

    /// Adds the registers of the card to the statistics. Reading clears these 32-bit registers: each read has to be added, and two
    /// readers at once would lose counts.
    pub(super) fn collect(&mut self) -> E1000Statistics {
        let read = |register| match self.shared.registers.read(register) {
            // A card that was removed.
            u32::MAX => 0,
            count => u64::from(count),
        };
        self.statistics.missed += read(&MPC);
        self.statistics.crc_errors += read(&CRCERRS);
        self.statistics
    }

    /// Wakes all tasks that wait for the card, so that they detect its removal.
    fn wake_all(&self, isr: &InIsr<'_>) {
        self.shared.received.wake();
        self.shared.transmitted.wake();
        self.link_change.request(isr);
    }
}

impl LineRoutine for Handler {
    fn on_line(&mut self, isr: &InIsr<'_>) -> Claim {
        let shared = &self.shared;
        // One read returns all causes and clears them, masked ones too. Nothing is lost, since a task checks its ring again after
        // it has registered its waker. The read also flushes the writes of the card to memory.
        let found = shared.registers.read(&ICR);
        let causes = Causes::from_bits_truncate(found);
        // All ones: the card was removed, and another function asserts the line.
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
