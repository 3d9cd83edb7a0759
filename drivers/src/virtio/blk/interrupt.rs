//! The interrupt handlers of the disk, and the state that they share with the driver.

use core::sync::atomic::{AtomicBool, Ordering};

use atomic_waker::AtomicWaker;
use switchboard::interrupt::{Activity, Claim, InIsr, LineIsr, MessageIsr};
use switchboard::messages;

use crate::virtio::queue::QueueWatch;
use crate::virtio::{InterruptCause, InterruptStatus};

messages! {
    /// The messages of the disk.
    pub enum BlkMessage { Done, Config }
}

/// State that the handlers share with the driver.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) status: InterruptStatus,
    /// The task that collects finished requests.
    pub(super) collector: AtomicWaker,
    pub(super) is_config_changed: AtomicBool,
    watch: QueueWatch,
}

impl Shared {
    pub(super) fn new(status: InterruptStatus, watch: QueueWatch) -> Self {
        // For a change between the first read of the configuration and the start, there is no interrupt.
        Self { status, collector: AtomicWaker::new(), is_config_changed: AtomicBool::new(true), watch }
    }
}

impl MessageIsr<2> for Shared {
    type Message = BlkMessage;

    fn on_message(&self, message: BlkMessage, _isr: &InIsr<'_>) {
        if !self.status.is_live() {
            return;
        }
        if message == BlkMessage::Config {
            // The device may report a fatal error, after which it finishes no request.
            self.is_config_changed.store(true, Ordering::Release);
        }
        self.collector.wake();
    }

    fn activity(&self, message: BlkMessage) -> Activity {
        self.status.activity(|| if message == BlkMessage::Done { self.watch.requests() } else { Activity::IDLE })
    }
}

impl LineIsr for Shared {
    fn on_line(&self, isr: &InIsr<'_>) -> Claim {
        let Some(cause) = self.status.take_cause() else {
            if self.status.is_gone() {
                self.collector.wake();
            }
            return Claim::NotMine;
        };
        if cause.contains(InterruptCause::QUEUE) {
            self.on_message(BlkMessage::Done, isr);
        }
        if cause.contains(InterruptCause::CONFIG) {
            self.on_message(BlkMessage::Config, isr);
        }
        Claim::Mine
    }

    fn activity(&self) -> Activity {
        MessageIsr::activity(self, BlkMessage::Done)
    }
}
