//! The interrupt handlers of the console, and the state that they share with the driver.

use alloc::boxed::Box;
use core::sync::atomic::{AtomicBool, Ordering};

use atomic_waker::AtomicWaker;
use switchboard::interrupt::{Claim, InIsr, LineIsr, MessageIsr};
use switchboard::messages;

use crate::virtio::{InterruptCause, InterruptStatus};

messages! {
    /// The messages of the console.
    pub enum ConsoleMessage { Config, Control, Data }
}

/// The tasks that wait on a port.
#[derive(Debug, Default)]
pub(super) struct PortWakers {
    pub(super) reader: AtomicWaker,
    pub(super) writer: AtomicWaker,
}

impl PortWakers {
    pub(super) fn wake(&self) {
        self.reader.wake();
        self.writer.wake();
    }
}

/// State that the handlers share with the driver.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) status: InterruptStatus,
    /// The task that waits for changes.
    pub(super) changes: AtomicWaker,
    pub(super) ports: Box<[PortWakers]>,
    pub(super) is_config_changed: AtomicBool,
}

impl Shared {
    pub(super) fn new(status: InterruptStatus, ports: usize) -> Self {
        let ports = (0..ports).map(|_| PortWakers::default()).collect();
        // For a change between the first read of the configuration and the start, there is no interrupt.
        Self { status, changes: AtomicWaker::new(), ports, is_config_changed: AtomicBool::new(true) }
    }

    /// Wakes all tasks that wait for the device.
    pub(super) fn wake_all(&self) {
        self.changes.wake();
        self.ports.iter().for_each(PortWakers::wake);
    }
}

impl MessageIsr<3> for Shared {
    type Message = ConsoleMessage;

    fn on_message(&self, message: ConsoleMessage, _isr: &InIsr<'_>) {
        if !self.status.is_live() {
            return;
        }
        match message {
            ConsoleMessage::Config => self.is_config_changed.store(true, Ordering::Release),
            // A task whose queue has nothing sleeps again.
            ConsoleMessage::Data => self.ports.iter().for_each(PortWakers::wake),
            ConsoleMessage::Control => {}
        }
        if message != ConsoleMessage::Data || self.status.is_gone() {
            self.changes.wake();
        }
    }
}

impl LineIsr for Shared {
    fn on_line(&self, isr: &InIsr<'_>) -> Claim {
        let Some(cause) = self.status.take_cause() else {
            if self.status.is_gone() {
                self.wake_all();
            }
            return Claim::NotMine;
        };
        if cause.contains(InterruptCause::QUEUE) {
            self.on_message(ConsoleMessage::Control, isr);
            self.on_message(ConsoleMessage::Data, isr);
        }
        if cause.contains(InterruptCause::CONFIG) {
            self.on_message(ConsoleMessage::Config, isr);
        }
        Claim::Mine
    }
}
