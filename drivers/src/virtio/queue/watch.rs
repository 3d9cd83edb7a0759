//! A view of a queue for its interrupt handler: which used chains an interrupt is due for, and how many the device has.

use switchboard::dma::DmaReader;
use switchboard::interrupt::Activity;

use super::rings::{ENTRIES, INDEX};

/// A view of the rings of a queue, which shows the device's [activity](Activity) without a part in it.
///
/// ```
/// use switchboard::interrupt::Activity;
/// use switchboard_drivers::virtio::queue::{QueueParameters, RingFeatures, SplitQueue};
/// # use switchboard_testing::{FakeFunction, FakeMachine};
/// # let fake = FakeMachine::new([FakeFunction::new(0x1af4, 0x1041)]);
/// # let dma = fake.machine().take_all().remove(0).claim()?.dma;
///
/// let mut queue = SplitQueue::new(&dma, RingFeatures::empty(), QueueParameters { size: 4, max_segments: 1 })?;
/// let watch = queue.watch();
/// assert!(queue.submit(dma.buffer(64)?).is_ok());
/// assert_eq!(watch.requests(), Activity::IDLE.with_requests(1, 0));
///
/// // The device returns the chain: an interrupt is due until the driver takes it.
/// # let used = queue.addresses().used.get();
/// # fake.dma_write(used + 4, &[0, 0, 0, 0, 5, 0, 0, 0]).expect("DMA memory");
/// # fake.dma_write(used + 2, &[1, 0]).expect("DMA memory");
/// assert_eq!(watch.requests(), Activity::pending_at(0).with_requests(0, 1));
/// assert!(queue.complete()?.is_some() && !queue.enable_notifications());
/// assert_eq!(watch.requests(), Activity::IDLE.with_requests(0, 1));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct QueueWatch {
    available: DmaReader<u16>,
    used: DmaReader<u16>,
    size: u16,
}

impl QueueWatch {
    pub(super) fn new(available: DmaReader<u16>, used: DmaReader<u16>, size: u16) -> Self {
        Self { available, used, size }
    }

    /// Returns the activity of a queue whose chains the device finishes by itself.
    #[must_use]
    pub fn requests(&self) -> Activity {
        let (available, used) = (self.available.read(INDEX), self.used.read(INDEX));
        self.events().with_requests(available.wrapping_sub(used).into(), used.into())
    }

    /// Returns the activity of a queue whose chains the device keeps until something happens, such as a frame that arrives.
    #[must_use]
    pub fn events(&self) -> Activity {
        let event = self.available.read(ENTRIES + usize::from(self.size));
        // The index at which an interrupt was requested: with interrupts disabled, one that is far ahead.
        let passed = self.used.read(INDEX).wrapping_sub(event);
        Activity::pending_if((1..=self.size).contains(&passed).then_some(event.into()))
    }
}
