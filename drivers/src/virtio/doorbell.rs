//! Doorbells: the registers by which a driver kicks a queue (virtio 1.2, 4.1.4.4).

use switchboard::mmio::{Bar, Reg, RegisterBlock, WriteOnly};

/// The notification register of one queue.
pub(super) struct Notify;

impl RegisterBlock for Notify {
    const SIZE: u64 = 2;
    const ALIGN: u64 = 2;
}

const QUEUE: Reg<Notify, u16, WriteOnly> = Reg::at(0);

/// The doorbell of one queue.
#[derive(Debug)]
pub(super) struct Doorbell {
    notify: Bar<Notify>,
    queue: u16,
}

impl Doorbell {
    pub(super) fn new(notify: Bar<Notify>, queue: u16) -> Self {
        Self { notify, queue }
    }

    /// Notifies the device that the queue has chains for it.
    pub(super) fn ring(&self) {
        self.notify.write(&QUEUE, self.queue);
    }
}
