//! The state that the interrupt handlers of a card share with tasks, and the handler of its line.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::Waker;

use atomic_waker::AtomicWaker;
use spin::Once;
use switchboard::driver::ProbeError;
use switchboard::event::{Notifier, Waiter, event};
use switchboard::function::Presence;
use switchboard::interrupt::{Activity, Claim, InIsr, LineIsr};
use switchboard::mmio::{Bar, ReadOnly, Reg, WriteOnly};
use switchboard::platform::Clock;

use super::descriptors::Layout;
use super::registers::{
    CTRL, Causes, Control, ICR, IMC, IMS, RCTL, Registers, STATUS, STATUS_LINK_UP, TCTL, TDH, TDT, UNMASKED,
};
use super::rx_ring::RxWatch;
use crate::interfaces::network::CardCounters;

/// The interrupt sources of a card in one interrupt mode: their bits, and the registers that unmask and mask them.
#[derive(Debug)]
pub(crate) struct Sources {
    pub(crate) unmask: Reg<Registers, u32, WriteOnly>,
    pub(crate) mask: Reg<Registers, u32, WriteOnly>,
    /// Reads the sources that are unmasked.
    pub(crate) unmasked: Reg<Registers, u32, ReadOnly>,
    /// Received frames, of any queue.
    pub(crate) received: u32,
    /// Sent frames. They are unmasked once for each time that the ring is full.
    pub(crate) transmitted: u32,
    /// Whether the rings have messages of their own, which the card may mask when it sends one.
    pub(crate) has_ring_messages: bool,
}

/// The sources of a card with one interrupt for all causes.
pub(crate) const ONE_INTERRUPT: Sources = Sources {
    unmask: IMS,
    mask: IMC,
    unmasked: UNMASKED,
    received: Causes::RECEIVED.union(Causes::OVERRUN).bits(),
    transmitted: Causes::TRANSMITTED.bits(),
    has_ring_messages: false,
};

/// The state that the handlers share with tasks.
#[derive(Debug)]
pub struct Shared<L> {
    pub(crate) registers: Bar<Registers>,
    pub(crate) presence: Presence,
    pub(crate) counters: Arc<CardCounters>,
    pub(crate) sources: Sources,
    is_link_up: AtomicBool,
    link_change: Notifier,
    received: AtomicWaker,
    transmitted: AtomicWaker,
    /// The card may have masked the message of received frames.
    is_receive_masked: AtomicBool,
    /// Views of the receive rings, once there are any.
    rings: Once<Vec<RxWatch<L>>>,
}

impl<L: Layout> Shared<L> {
    /// Makes the state, and the waiter for changes of the link.
    pub(crate) fn new(registers: Bar<Registers>, presence: Presence, sources: Sources) -> (Arc<Self>, Waiter) {
        let (link_change, link_changed) = event();
        let shared = Self {
            registers,
            presence,
            counters: Arc::default(),
            sources,
            is_link_up: AtomicBool::new(false),
            link_change,
            received: AtomicWaker::new(),
            transmitted: AtomicWaker::new(),
            is_receive_masked: AtomicBool::new(false),
            rings: Once::new(),
        };
        (Arc::new(shared), link_changed)
    }

    /// Sets the views of the receive rings, which the activity of the card is read from.
    pub(crate) fn watch(&self, rings: Vec<RxWatch<L>>) {
        self.rings.call_once(|| rings);
    }

    /// Unmasks the interrupts of frames and of the link. The link state is read afterwards, so that no change is missed.
    pub(crate) fn unmask(&self) {
        self.registers.write(&self.sources.unmask, self.sources.received);
        self.registers.write(&IMS, Causes::LINK.bits());
        self.read_link();
    }

    pub(crate) fn is_link_up(&self) -> bool {
        self.is_link_up.load(Ordering::Relaxed)
    }

    /// Reads the link state: after the start, and after the handler has reported a change.
    pub(crate) fn read_link(&self) {
        self.is_link_up.store(self.registers.read(&STATUS) & STATUS_LINK_UP != 0, Ordering::Relaxed);
    }

    /// Registers the waker for received frames, and unmasks them if the card has masked them. The caller then checks the rings
    /// again.
    pub(crate) fn wake_on_receive(&self, waker: &Waker) {
        self.received.register(waker);
        if self.is_receive_masked.swap(false, Ordering::AcqRel) {
            self.registers.write(&self.sources.unmask, self.sources.received);
        }
    }

    /// Masks or unmasks the receive interrupts.
    pub(crate) fn mask_received(&self, is_masked: bool) {
        self.is_receive_masked.store(is_masked, Ordering::Release);
        let register = if is_masked { &self.sources.mask } else { &self.sources.unmask };
        self.registers.write(register, self.sources.received);
    }

    /// Registers the waker and unmasks the interrupt of sent frames, in this order: the handler masks the interrupt when it
    /// takes the waker, or the card does when it sends its message. The caller then checks the ring again.
    pub(crate) fn wake_on_transmit(&self, waker: &Waker) {
        self.transmitted.register(waker);
        self.registers.write(&self.sources.unmask, self.sources.transmitted);
    }

    /// Wakes all tasks that wait for the card, so that they detect its removal.
    pub(crate) fn wake_all(&self, isr: &InIsr<'_>) {
        self.received.wake();
        self.transmitted.wake();
        self.link_change.notify(isr);
    }

    /// Serves the message of received frames.
    pub(crate) fn frames_received(&self) {
        self.is_receive_masked.store(true, Ordering::Release);
        self.received.wake();
    }

    /// Serves the message of sent frames.
    pub(crate) fn frames_sent(&self) {
        self.transmitted.wake();
    }

    /// Reads the causes and clears them, unless rings have messages of their own. Returns 0 for a card that was removed.
    ///
    /// Nothing is lost by clearing masked causes, since a task checks its ring again after it has registered its waker. The read
    /// also flushes the writes of the card to memory.
    pub(crate) fn take_causes(&self, isr: &InIsr<'_>) -> u32 {
        let found = self.registers.read(&ICR);
        // All ones: the card was removed, and another function asserts the line.
        if found != u32::MAX {
            return found;
        }
        if self.presence.confirm().is_err() {
            self.wake_all(isr);
        }
        0
    }

    /// Serves the causes that are not those of rings with messages of their own.
    pub(crate) fn serve(&self, causes: Causes, isr: &InIsr<'_>) {
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
            self.link_change.notify(isr);
        }
        if causes.contains(Causes::OVERRUN) {
            self.counters.count_overrun();
        }
    }

    /// Returns the activity of a receive ring, or of all. The causes cannot be read without clearing them: frames in a ring whose
    /// interrupt is unmasked show that one was due.
    pub(crate) fn received_frames(&self, ring: Option<usize>) -> Activity {
        let unmasked = self.registers.read(&self.sources.unmasked);
        if unmasked == u32::MAX {
            return Activity::UNRESPONSIVE;
        }
        // By its message the card may have masked it, which the handler takes note of.
        let is_receiving = unmasked & self.sources.received != 0
            || self.sources.has_ring_messages && !self.is_receive_masked.load(Ordering::Acquire);
        let rings = self.rings.get().into_iter().flatten().enumerate();
        let mut rings = rings.filter(|(index, _)| is_receiving && ring.is_none_or(|ring| ring == *index));
        Activity::pending_if(rings.find_map(|(_, ring)| ring.written_back()))
    }

    /// Returns the activity of the transmit ring. One that has drained while its interrupt is unmasked shows that one was due.
    pub(crate) fn frames_to_send(&self) -> Activity {
        let unmasked = self.registers.read(&self.sources.unmasked);
        let (head, tail) = (self.registers.read(&TDH), self.registers.read(&TDT));
        if unmasked == u32::MAX || head == u32::MAX {
            return Activity::UNRESPONSIVE;
        }
        let drained = (unmasked & self.sources.transmitted != 0 && head == tail).then_some(head);
        Activity::pending_if(drained).with_requests((head != tail).into(), head)
    }

    /// Stops interrupts and DMA. The engines are stopped one by one before the reset, since QEMU 7.2 ignores the reset bit.
    pub(crate) fn quiesce(&self) {
        self.registers.write(&self.sources.mask, u32::MAX);
        quiesce(&self.registers);
    }
}

/// Resets a card and waits until it is done. The reset may have enabled interrupts, which are then masked again.
pub(crate) fn reset(registers: &Bar<Registers>, clock: &dyn Clock, timeout_ns: u64) -> Result<(), ProbeError> {
    quiesce(registers);
    let mut control = 0;
    let is_done = clock.wait_until(timeout_ns, || {
        control = registers.read(&CTRL);
        control == u32::MAX || control & Control::RESET.bits() == 0
    });
    if control == u32::MAX {
        return Err(ProbeError::Device("the card does not respond"));
    }
    if !is_done {
        return Err(ProbeError::Device("the reset does not complete"));
    }
    registers.write(&IMC, u32::MAX);
    Ok(())
}

/// Stops interrupts and DMA, and begins a reset.
fn quiesce(registers: &Bar<Registers>) {
    registers.write(&IMC, u32::MAX);
    registers.write(&RCTL, 0);
    registers.write(&TCTL, 0);
    let control = registers.read(&CTRL);
    registers.write(&CTRL, control | Control::RESET.bits());
}

impl<L: Layout> LineIsr for Shared<L> {
    fn on_line(&self, isr: &InIsr<'_>) -> Claim {
        let causes = Causes::from_bits_truncate(self.take_causes(isr));
        if causes.is_empty() {
            return Claim::NotMine;
        }
        self.serve(causes, isr);
        Claim::Mine
    }

    fn activity(&self) -> Activity {
        self.received_frames(None).and(self.frames_to_send())
    }
}
