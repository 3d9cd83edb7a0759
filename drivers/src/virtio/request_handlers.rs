//! The interrupt handlers of devices whose finished requests one task collects: disks, adapters, shares.

use core::marker::PhantomData;
use core::sync::atomic::{AtomicBool, Ordering};

use atomic_waker::AtomicWaker;
use switchboard::interrupt::{Activity, Claim, InIsr, LineIsr, MessageIsr, MessageSet};

use super::queue::QueueWatch;
use super::{InterruptCause, InterruptStatus};

/// The messages of a device: one for finished requests, and at most one for what changes at the device.
pub(super) trait RequestMessages: Copy + PartialEq + Send + Sync + 'static {
    /// The message for finished requests.
    const DONE: Self;
    /// The causes of an interrupt on the line after which the device may have changed.
    const CHANGES: InterruptCause;
}

/// State that the handlers share with the driver.
#[derive(Debug)]
pub(super) struct RequestHandlers<M> {
    status: InterruptStatus,
    /// The task that collects finished requests.
    pub(super) collector: AtomicWaker,
    /// The task that waits for changes, where that is another one.
    pub(super) watcher: AtomicWaker,
    /// The configuration may have changed, or the device may need a reset.
    pub(super) is_changed: AtomicBool,
    watch: QueueWatch,
    messages: PhantomData<M>,
}

impl<M> RequestHandlers<M> {
    /// Creates the state for a device with one queue of requests.
    pub(super) fn new(status: InterruptStatus, watch: QueueWatch) -> Self {
        // For a change between the first read of the configuration and the start, there is no interrupt.
        let (collector, watcher, is_changed) = (AtomicWaker::new(), AtomicWaker::new(), AtomicBool::new(true));
        Self { status, collector, watcher, is_changed, watch, messages: PhantomData }
    }

    /// Wakes both tasks: one that collects, since the device may have a fatal error, after which it finishes no request.
    fn note_change(&self) {
        self.is_changed.store(true, Ordering::Release);
        self.watcher.wake();
        self.collector.wake();
    }

    fn requests(&self) -> Activity {
        self.status.activity(|| self.watch.requests())
    }
}

impl<const N: usize, M: RequestMessages + MessageSet<N>> MessageIsr<N> for RequestHandlers<M> {
    type Message = M;

    fn on_message(&self, message: M, _isr: &InIsr<'_>) {
        if !self.status.is_live() {
            return;
        }
        if message == M::DONE {
            self.collector.wake();
        } else {
            self.note_change();
        }
    }

    fn activity(&self, message: M) -> Activity {
        if message == M::DONE { self.requests() } else { self.status.activity(|| Activity::IDLE) }
    }
}

impl<M: RequestMessages> LineIsr for RequestHandlers<M> {
    fn on_line(&self, _isr: &InIsr<'_>) -> Claim {
        let Some(cause) = self.status.take_cause() else {
            if self.status.is_gone() {
                self.collector.wake();
                self.watcher.wake();
            }
            return Claim::NotMine;
        };
        if cause.contains(InterruptCause::QUEUE) {
            self.collector.wake();
        }
        if cause.intersects(M::CHANGES) {
            self.note_change();
        }
        Claim::Mine
    }

    fn activity(&self) -> Activity {
        self.requests()
    }
}
