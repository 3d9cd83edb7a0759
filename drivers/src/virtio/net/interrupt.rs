//! The interrupt handlers of the card, and the state that they share with the driver.

use core::sync::atomic::{AtomicBool, Ordering};

use atomic_waker::AtomicWaker;
use switchboard::interrupt::{Activity, Claim, InIsr, LineIsr, MessageIsr};
use switchboard::messages;

use super::receive_waker::ReceiveWaker;
use crate::virtio::queue::QueueWatch;
use crate::virtio::{InterruptCause, InterruptStatus};

messages! {
    /// The messages of the card, the most important first: with fewer vectors, the last ones share one.
    pub enum NetMessage { Rx, Tx, Config }
}

/// State that the handlers share with the driver.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) status: InterruptStatus,
    pub(super) receive: ReceiveWaker,
    pub(super) send: AtomicWaker,
    pub(super) link: AtomicWaker,
    /// The configuration has changed, or the control queue has an answer.
    pub(super) is_config_changed: AtomicBool,
    /// A command of the control queue is not answered yet, whose answer the line does not distinguish from frames.
    pub(super) is_control_busy: AtomicBool,
    receive_watch: QueueWatch,
    send_watch: QueueWatch,
}

impl Shared {
    pub(super) fn new(status: InterruptStatus, receive_watch: QueueWatch, send_watch: QueueWatch) -> Self {
        Self {
            status,
            receive: ReceiveWaker::default(),
            send: AtomicWaker::new(),
            link: AtomicWaker::new(),
            // For a change between the first read of the configuration and the start, there is no interrupt.
            is_config_changed: AtomicBool::new(true),
            is_control_busy: AtomicBool::new(false),
            receive_watch,
            send_watch,
        }
    }

    fn config_changed(&self) {
        self.is_config_changed.store(true, Ordering::Release);
        self.link.wake();
    }

    fn wake_all(&self) {
        self.receive.wake();
        self.send.wake();
        self.link.wake();
    }
}

impl MessageIsr<3> for Shared {
    type Message = NetMessage;

    fn on_message(&self, message: NetMessage, _isr: &InIsr<'_>) {
        if !self.status.is_live() {
            return;
        }
        match message {
            NetMessage::Rx => self.receive.wake(),
            NetMessage::Tx => self.send.wake(),
            NetMessage::Config => self.config_changed(),
        }
        // After a removal, all handlers are called once, on any vector.
        if self.status.is_gone() {
            self.link.wake();
        }
    }

    fn activity(&self, message: NetMessage) -> Activity {
        self.status.activity(|| match message {
            NetMessage::Rx => self.receive_watch.events(),
            NetMessage::Tx => self.send_watch.requests(),
            NetMessage::Config => Activity::IDLE,
        })
    }
}

impl LineIsr for Shared {
    fn on_line(&self, _isr: &InIsr<'_>) -> Claim {
        let Some(cause) = self.status.take_cause() else {
            if self.status.is_gone() {
                self.wake_all();
            }
            return Claim::NotMine;
        };
        if cause.contains(InterruptCause::QUEUE) {
            // The line does not distinguish the queues.
            self.receive.wake();
            self.send.wake();
        }
        if cause.contains(InterruptCause::CONFIG) || self.is_control_busy.load(Ordering::Acquire) {
            self.config_changed();
        }
        Claim::Mine
    }

    fn activity(&self) -> Activity {
        MessageIsr::activity(self, NetMessage::Rx).and(MessageIsr::activity(self, NetMessage::Tx))
    }
}
