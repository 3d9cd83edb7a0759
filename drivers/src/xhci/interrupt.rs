//! The interrupt handler: one for all that the controller reports, by a message or by the line (xHCI 1.2, 4.17).

use alloc::boxed::Box;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use atomic_waker::AtomicWaker;
use switchboard::dma::DmaReader;
use switchboard::function::Presence;
use switchboard::interrupt::{Activity, Claim, InIsr, LineIsr, MessageIsr};
use switchboard::messages;
use switchboard::mmio::Bar;

use super::events;
use super::registers::{ENABLE, IMAN, Interrupter, Operational, PENDING, USBSTS, UsbStatus};
use super::trb::Trb;

messages! {
    /// The only message: there are events in the event ring.
    pub enum XhciMessage { Events }
}

/// State that the handler shares with the driver.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) operational: Bar<Operational>,
    pub(super) interrupter: Bar<Interrupter>,
    pub(super) presence: Presence,
    /// The wakers: of the task that looks after the ports, and, by number, of the drivers of slots.
    pub(super) wakers: Box<[AtomicWaker]>,
    /// Event Handler Busy is set: the controller interrupts only after the dequeue pointer was written.
    pub(super) is_busy: AtomicBool,
    /// The controller reports that it has stopped for an error.
    pub(super) has_error: AtomicBool,
    /// The event ring, and the position of the next event in it.
    pub(super) events: DmaReader<Trb>,
    pub(super) position: AtomicU32,
}

impl Shared {
    /// Wakes all tasks. Which event is whose is in the ring, and any task may be dropped before it is polled: so the first that is
    /// polled takes all events.
    fn wake_all(&self) {
        self.wakers.iter().for_each(AtomicWaker::wake);
    }

    fn note_status(&self, status: UsbStatus) {
        if status.intersects(UsbStatus::FATAL) {
            self.has_error.store(true, Ordering::Release);
        }
    }

    /// Reads the status. Returns `None` after the controller was removed.
    pub(super) fn status(&self) -> Option<UsbStatus> {
        let status = self.operational.read(&USBSTS);
        if status == u32::MAX && self.presence.confirm().is_err() {
            return None;
        }
        let status = UsbStatus::from_bits_retain(status);
        self.note_status(status);
        Some(status)
    }

    /// Also reads errors of the controller, for which there may be no interrupt. Called once a second.
    fn pending(&self) -> Activity {
        if self.presence.is_gone() || self.is_busy.load(Ordering::Acquire) {
            return Activity::IDLE;
        }
        let position = self.position.load(Ordering::Acquire);
        let has_error = !self.has_error.load(Ordering::Acquire)
            && self.status().is_some_and(|status| status.intersects(UsbStatus::FATAL));
        let is_pending = has_error || events::is_pending(&self.events, position);
        Activity::pending_if(is_pending.then_some(position))
    }
}

impl MessageIsr<1> for Shared {
    type Message = XhciMessage;

    /// The controller clears the pending bit itself (4.17.5).
    fn on_message(&self, XhciMessage::Events: XhciMessage, _isr: &InIsr<'_>) {
        self.is_busy.store(true, Ordering::Release);
        self.wake_all();
    }

    fn activity(&self, XhciMessage::Events: XhciMessage) -> Activity {
        self.pending()
    }
}

impl LineIsr for Shared {
    fn on_line(&self, _isr: &InIsr<'_>) -> Claim {
        let Some(status) = (if self.presence.is_gone() { None } else { self.status() }) else {
            self.wake_all();
            return Claim::NotMine;
        };
        if self.interrupter.read(&IMAN) & PENDING == 0 {
            return Claim::NotMine;
        }
        // In this order: 4.17.2 and 5.4.2.
        self.operational.write(&USBSTS, (status & UsbStatus::EVENT).bits());
        self.interrupter.write(&IMAN, PENDING | ENABLE);
        // Flushes the posted write: until it arrives, the line is asserted.
        self.interrupter.read(&IMAN);
        self.is_busy.store(true, Ordering::Release);
        self.wake_all();
        Claim::Mine
    }

    fn activity(&self) -> Activity {
        self.pending()
    }
}
