//! The interrupt handlers of the console, and the state that they share with the driver.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use atomic_waker::AtomicWaker;
use switchboard::interrupt::{Activity, Claim, InIsr, LineIsr, MessageIsr, MessageSet};
use switchboard::messages;

use crate::virtio::queue::QueueWatch;
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
    control_watches: Vec<QueueWatch>,
    data_watches: Vec<QueueWatch>,
}

impl Shared {
    pub(super) fn new(
        status: InterruptStatus,
        ports: usize,
        control_watches: Vec<QueueWatch>,
        data_watches: Vec<QueueWatch>,
    ) -> Self {
        let ports = (0..ports).map(|_| PortWakers::default()).collect();
        // For a change between the first read of the configuration and the start, there is no interrupt.
        let (changes, is_config_changed) = (AtomicWaker::new(), AtomicBool::new(true));
        Self { status, changes, ports, is_config_changed, control_watches, data_watches }
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

    /// What the host does not take stays in flight: that is no fault of the device.
    fn activity(&self, message: ConsoleMessage) -> Activity {
        let watches: &[_] = match message {
            ConsoleMessage::Config => &[],
            ConsoleMessage::Control => &self.control_watches,
            ConsoleMessage::Data => &self.data_watches,
        };
        self.status.activity(|| watches.iter().map(QueueWatch::events).fold(Activity::IDLE, Activity::and))
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

    fn activity(&self) -> Activity {
        let each = ConsoleMessage::ALL.into_iter().map(|message| MessageIsr::activity(self, message));
        each.fold(Activity::IDLE, Activity::and)
    }
}
