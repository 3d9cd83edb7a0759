//! The interrupt handlers of the adapter, and the state that they share with the driver.

use core::sync::atomic::{AtomicBool, Ordering};

use atomic_waker::AtomicWaker;
use switchboard::interrupt::{Activity, Claim, InIsr, LineIsr, MessageIsr};
use switchboard::messages;

use crate::virtio::queue::QueueWatch;
use crate::virtio::{InterruptCause, InterruptStatus};

messages! {
    /// The messages of the adapter: requests are done; units have come or gone, or the configuration has changed.
    pub enum ScsiMessage { Done, Event }
}

/// State that the handlers share with the driver.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) status: InterruptStatus,
    /// The task that collects finished requests.
    pub(super) collector: AtomicWaker,
    /// The task that waits for disks to be added or removed.
    pub(super) watcher: AtomicWaker,
    pub(super) is_config_changed: AtomicBool,
    pub(super) watch: QueueWatch,
}

impl MessageIsr<2> for Shared {
    type Message = ScsiMessage;

    fn on_message(&self, message: ScsiMessage, _isr: &InIsr<'_>) {
        if !self.status.is_live() {
            return;
        }
        if message == ScsiMessage::Event {
            self.is_config_changed.store(true, Ordering::Release);
            self.watcher.wake();
        }
        self.collector.wake();
    }

    fn activity(&self, message: ScsiMessage) -> Activity {
        self.status.activity(|| if message == ScsiMessage::Done { self.watch.requests() } else { Activity::IDLE })
    }
}

impl LineIsr for Shared {
    fn on_line(&self, isr: &InIsr<'_>) -> Claim {
        let Some(cause) = self.status.take_cause() else {
            if self.status.is_gone() {
                self.collector.wake();
                self.watcher.wake();
            }
            return Claim::NotMine;
        };
        if cause.contains(InterruptCause::QUEUE) {
            self.on_message(ScsiMessage::Done, isr);
        }
        // The line does not show which queue it is.
        self.on_message(ScsiMessage::Event, isr);
        Claim::Mine
    }

    fn activity(&self) -> Activity {
        MessageIsr::activity(self, ScsiMessage::Done)
    }
}
