//! The state that the handlers share with tasks. The device masks an interrupt when it raises it (`auto_mask`), and a task
//! unmasks it before it waits.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::Waker;

use atomic_waker::AtomicWaker;
use switchboard::function::Presence;
use switchboard::interrupt::{Activity, Claim, InIsr, LineIsr, MessageIsr, MessageSet};
use switchboard::messages;
use switchboard::mmio::Bar;

use super::registers::{CMD, Doorbells, GET_LINK, ICR, IMR, QUIESCE, RESET, Registers, VRRS};
use super::ring::CompletionWatch;
use super::structures::InterruptNumbers;
use crate::interfaces::network::CardCounters;

messages! {
    /// The messages. With fewer vectors, the last ones share one.
    pub enum Vmxnet3Message { Rx, Tx, Event }
}

/// State that the handlers share with tasks.
#[derive(Debug)]
pub struct Shared {
    pub(super) registers: Bar<Registers>,
    pub(super) doorbells: Bar<Doorbells>,
    pub(super) presence: Presence,
    pub(super) counters: Arc<CardCounters>,
    pub(super) numbers: InterruptNumbers,
    pub(super) event: AtomicWaker,
    received: AtomicWaker,
    sent: AtomicWaker,
    /// The device has masked the interrupt of received frames, and of events.
    is_receive_masked: AtomicBool,
    is_event_masked: AtomicBool,
    /// A task waits for sent frames, whose interrupt is unmasked.
    is_sending: AtomicBool,
    receive_watch: CompletionWatch,
    send_watch: CompletionWatch,
}

impl Shared {
    pub(super) fn new(
        registers: Bar<Registers>,
        doorbells: Bar<Doorbells>,
        presence: Presence,
        numbers: InterruptNumbers,
        [receive_watch, send_watch]: [CompletionWatch; 2],
    ) -> Self {
        Self {
            registers,
            doorbells,
            presence,
            counters: Arc::default(),
            numbers,
            event: AtomicWaker::new(),
            received: AtomicWaker::new(),
            sent: AtomicWaker::new(),
            is_receive_masked: AtomicBool::new(false),
            is_event_masked: AtomicBool::new(false),
            is_sending: AtomicBool::new(false),
            receive_watch,
            send_watch,
        }
    }

    pub(super) fn set_mask(&self, number: u8, is_masked: bool) {
        if let Some(register) = IMR.get(usize::from(number)) {
            self.doorbells.write(register, is_masked.into());
        }
    }

    /// Unmasks an interrupt. Flushes the posted write: QEMU's device forgets an interrupt that it raises before the write arrives, and
    /// the caller polls the ring afterwards.
    fn unmask(&self, number: u8) {
        self.set_mask(number, false);
        self.registers.read(&VRRS);
    }

    /// Registers the waker for received frames, and unmasks their interrupt if the device has masked it. The caller then polls
    /// the ring again.
    pub(super) fn wake_on_receive(&self, waker: &Waker) {
        self.received.register(waker);
        if self.is_receive_masked.swap(false, Ordering::AcqRel) {
            self.unmask(self.numbers.received);
        }
    }

    /// Does the same for sent frames, whose interrupt is masked at other times.
    pub(super) fn wake_on_transmit(&self, waker: &Waker) {
        self.sent.register(waker);
        self.is_sending.store(true, Ordering::Release);
        self.unmask(self.numbers.sent);
    }

    /// Does the same for events. The caller then looks for events again.
    pub(super) fn wake_on_event(&self, waker: &Waker) {
        self.event.register(waker);
        if self.is_event_masked.swap(false, Ordering::AcqRel) {
            self.unmask(self.numbers.event);
        }
    }

    pub(super) fn is_link_up(&self) -> bool {
        self.registers.write(&CMD, GET_LINK);
        self.registers.read(&CMD) & 1 != 0
    }

    /// Stops interrupts and DMA.
    pub(super) fn quiesce(&self) {
        (0..self.numbers.count).for_each(|number| self.set_mask(number, true));
        self.registers.write(&CMD, QUIESCE);
        self.registers.write(&CMD, RESET);
    }

    fn serve(&self, message: Vmxnet3Message) {
        match message {
            Vmxnet3Message::Rx => {
                self.is_receive_masked.store(true, Ordering::Release);
                self.received.wake();
            }
            Vmxnet3Message::Tx => {
                self.is_sending.store(false, Ordering::Release);
                self.sent.wake();
            }
            Vmxnet3Message::Event => {
                self.is_event_masked.store(true, Ordering::Release);
                self.event.wake();
            }
        }
    }

    /// Returns the activity for a message: completions that the driver has not taken, while their interrupt is unmasked.
    fn pending(&self, message: Vmxnet3Message) -> Activity {
        let is_receiving = !self.is_receive_masked.load(Ordering::Acquire);
        match message {
            Vmxnet3Message::Rx if self.registers.read(&VRRS) == u32::MAX => Activity::UNRESPONSIVE,
            Vmxnet3Message::Rx if is_receiving => Activity::pending_if(self.receive_watch.pending()),
            Vmxnet3Message::Tx if self.is_sending.load(Ordering::Acquire) => {
                Activity::pending_if(self.send_watch.pending())
            }
            _ => Activity::IDLE,
        }
    }

    /// Masks or unmasks the interrupt of received frames.
    pub(super) fn mask_received(&self, is_masked: bool) {
        self.is_receive_masked.store(is_masked, Ordering::Release);
        self.set_mask(self.numbers.received, is_masked);
    }

    /// Serves all messages, which have one interrupt.
    fn serve_all(&self) {
        Vmxnet3Message::ALL.into_iter().for_each(|message| self.serve(message));
    }
}

impl MessageIsr<3> for Shared {
    type Message = Vmxnet3Message;

    fn on_message(&self, message: Vmxnet3Message, _isr: &InIsr<'_>) {
        // After a removal all are called, so that tasks find out.
        self.serve(message);
    }

    fn activity(&self, message: Vmxnet3Message) -> Activity {
        self.pending(message)
    }
}

impl LineIsr for Shared {
    fn on_line(&self, _isr: &InIsr<'_>) -> Claim {
        match self.registers.read(&ICR) {
            0 => Claim::NotMine,
            // All ones: the device was removed, and another function asserts the line.
            u32::MAX => {
                if self.presence.confirm().is_err() {
                    self.serve_all();
                }
                Claim::NotMine
            }
            _ => {
                self.serve_all();
                Claim::Mine
            }
        }
    }

    /// `ICR` cannot be read without clearing it.
    fn activity(&self) -> Activity {
        let each = Vmxnet3Message::ALL.into_iter().map(|message| self.pending(message));
        each.fold(Activity::IDLE, Activity::and)
    }
}
