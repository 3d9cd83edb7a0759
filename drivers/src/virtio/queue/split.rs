//! The split virtqueue: its memory and its protocol (virtio 1.2, 2.7).
//!
//! The doorbell is in [`Queue`](super::Queue), and interrupts are the driver's.

use alloc::boxed::Box;
use core::fmt;

use switchboard::dma::{DmaError, DmaPort};

use super::descriptor::{Chain, MAX_SEGMENTS, Segments};
use super::notifications::Notifications;
use super::parameters::{QueueAddresses, QueueParameters};
use super::rings::{Available, Used};
use super::table::Table;
use super::watch::QueueWatch;
use super::{QueueError, RingFeatures};

/// A chain that the device owns.
#[derive(Debug)]
struct InFlight<C> {
    chain: C,
    descriptors: u16,
    /// The number of bytes that the device may write.
    writable: u32,
}

/// A split virtqueue, without its doorbell. `C` owns the buffers of one request, and is kept while the device has them.
///
/// ```
/// use switchboard_drivers::virtio::queue::{QueueError, QueueParameters, RingFeatures, SplitQueue};
/// # use switchboard_testing::{FakeFunction, FakeMachine};
/// # let fake = FakeMachine::new([FakeFunction::new(0x1af4, 0x1041)]);
/// # let dma = fake.machine().take_all().remove(0).claim()?.dma;
///
/// let mut queue = SplitQueue::new(&dma, RingFeatures::empty(), QueueParameters { size: 4, max_segments: 1 })?;
/// // A buffer is a chain by itself, which the device writes.
/// assert!(queue.submit(dma.buffer(64)?).is_ok());
/// assert!(queue.needs_kick(), "the device has not disabled kicks");
/// assert!(queue.complete()?.is_none(), "the device has not used it yet");
///
/// // The device writes 5 bytes, and returns the chain of descriptor 0.
/// let used = queue.addresses().used.get();
/// fake.dma_write(used + 4, &[0, 0, 0, 0, 5, 0, 0, 0]).expect("DMA memory");
/// fake.dma_write(used + 2, &[1, 0]).expect("DMA memory");
/// let (buffer, written) = queue.complete()?.expect("a used chain");
/// assert_eq!((buffer.len(), written), (64, 5));
///
/// // A device that returns a chain which it does not have is not trusted any more.
/// fake.dma_write(used + 2, &[2, 0]).expect("DMA memory");
/// assert_eq!(queue.complete().map(drop), Err(QueueError::IndexJump { advanced: 1, in_flight: 0 }));
/// assert_eq!(queue.complete().map(drop), Err(QueueError::Dead));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
///
/// # Invariants
/// `chains[head]` is `Some` exactly while the device owns the chain whose first descriptor is `head`; `in_flight` is their number.
pub struct SplitQueue<C> {
    table: Table,
    available: Available,
    used: Used,
    chains: Box<[Option<InFlight<C>>]>,
    /// The segments of the chain that is being submitted. Kept, so that it is not initialised for each chain.
    segments: Segments,
    in_flight: u16,
    /// The used index up to which chains were completed.
    seen: u16,
    notifications: Notifications,
    failure: Option<QueueError>,
}

impl<C: Chain> SplitQueue<C> {
    /// Allocates a queue.
    ///
    /// # Errors
    /// [`DmaError`] when there is no DMA memory.
    ///
    /// # Panics
    /// Panics when a parameter is out of range: they are constants of the driver.
    pub fn new(dma: &DmaPort, features: RingFeatures, parameters: QueueParameters) -> Result<Self, DmaError> {
        let QueueParameters { size, max_segments } = parameters;
        assert!(size.is_power_of_two() && size <= 0x8000, "a split queue has 1 to 32,768 descriptors, a power of two");
        assert!(
            max_segments >= 1 && usize::from(max_segments) <= MAX_SEGMENTS,
            "chains have 1 to {MAX_SEGMENTS} segments"
        );
        let is_indirect = max_segments > 1 && features.contains(RingFeatures::INDIRECT);
        let alignment_slack = 16;
        let bytes = Table::bytes(size, max_segments, is_indirect)
            + Available::bytes(size)
            + Used::bytes(size)
            + alignment_slack;
        let mut region = dma.region(bytes)?;
        let parts = Table::carve(&mut region, size, max_segments, is_indirect)
            .and_then(|table| Some((table, Available::carve(&mut region, size)?, Used::carve(&mut region, size)?)));
        let Some((table, available, used)) = parts else { unreachable!("the region was sized for its parts") };
        Ok(Self {
            table,
            available,
            used,
            chains: (0..size).map(|_| None).collect(),
            segments: Segments::default(),
            in_flight: 0,
            seen: 0,
            notifications: Notifications::new(features.contains(RingFeatures::EVENT_INDEX)),
            failure: None,
        })
    }

    /// Returns the addresses of its parts.
    #[must_use]
    pub fn addresses(&self) -> QueueAddresses {
        QueueAddresses { descriptors: self.table.bus(), available: self.available.bus(), used: self.used.bus() }
    }

    /// Returns a view of the rings, for the context of the interrupt handler.
    #[must_use]
    pub fn watch(&self) -> QueueWatch {
        QueueWatch::new(self.available.reader(), self.used.reader(), self.available.size())
    }

    /// Returns the number of chains that the device owns.
    #[must_use]
    pub fn in_flight(&self) -> u16 {
        self.in_flight
    }

    /// Returns the number of free descriptors.
    #[must_use]
    pub fn free(&self) -> u16 {
        self.table.free()
    }

    /// Returns how many chains of the most segments fit into the whole queue.
    #[must_use]
    pub fn max_chains(&self) -> u16 {
        self.table.max_chains()
    }

    /// Submits a chain. The device may process it at once, and must be kicked if [`needs_kick`](Self::needs_kick) returns `true`.
    ///
    /// # Errors
    /// [`QueueError`], and the chain.
    pub fn submit(&mut self, chain: C) -> Result<(), (QueueError, C)> {
        let ((head, descriptors), writable) = match self.write_descriptors(&chain) {
            Ok(written) => written,
            Err(error) => return Err((error, chain)),
        };
        self.chains[usize::from(head)] = Some(InFlight { chain, descriptors, writable });
        self.in_flight += 1;
        self.available.publish(head);
        self.notifications.record_offer();
        Ok(())
    }

    /// Writes the descriptors of a chain. Returns the first one and how many it takes, and the number of bytes that the device may
    /// write.
    #[inline]
    fn write_descriptors(&mut self, chain: &C) -> Result<((u16, u16), u32), QueueError> {
        self.check_alive()?;
        let key = chain.key();
        if let Some((head, writable)) = key.and_then(|key| self.table.reuse(key)) {
            return Ok(((head, 1), writable));
        }
        self.segments.clear();
        chain.describe(&mut self.segments);
        let (list, writable) = self.segments.checked()?;
        Ok((self.table.write(list, writable, key)?, writable))
    }

    /// Returns whether [`complete`](Self::complete) returns a chain or an error.
    #[inline]
    #[must_use]
    pub fn has_used(&self) -> bool {
        self.used.index() != self.seen || self.failure.is_some()
    }

    /// Returns a chain that the device has used, and the number of bytes that it wrote.
    ///
    /// # Errors
    /// [`QueueError`] when the device violated the protocol. The queue is dead from then on, and keeps its chains, since the device may
    /// still write to them.
    #[inline]
    pub fn complete(&mut self) -> Result<Option<(C, u32)>, QueueError> {
        if self.has_used() { self.complete_used() } else { Ok(None) }
    }

    fn complete_used(&mut self) -> Result<Option<(C, u32)>, QueueError> {
        self.check_alive()?;
        let advanced = self.used.index().wrapping_sub(self.seen);
        if advanced == 0 {
            return Ok(None);
        }
        if advanced > self.in_flight {
            return Err(self.fail(QueueError::IndexJump { advanced, in_flight: self.in_flight }));
        }
        let element = self.used.element(self.seen);
        let head = u16::try_from(element.id).ok().filter(|head| usize::from(*head) < self.chains.len());
        let entry = head.and_then(|head| Some((head, self.chains[usize::from(head)].take()?)));
        let Some((head, entry)) = entry else {
            return Err(self.fail(QueueError::UnknownId { id: element.id }));
        };
        if element.length > entry.writable {
            let error = QueueError::Overlong { id: head, length: element.length, writable: entry.writable };
            self.chains[usize::from(head)] = Some(entry);
            return Err(self.fail(error));
        }
        self.seen = self.seen.wrapping_add(1);
        self.in_flight -= 1;
        self.table.release(head, entry.descriptors);
        Ok(Some((entry.chain, element.length)))
    }

    /// Returns whether an interrupt is requested for the next used chain, and was before the last check for used ones.
    #[inline]
    #[must_use]
    pub fn is_next_notified(&self) -> bool {
        self.notifications.is_enabled_at(self.seen)
    }

    /// Requests an interrupt for the next used chain. Returns whether one was used meanwhile: there may be no interrupt for it, so
    /// the caller must call [`complete`](Self::complete) again before it sleeps.
    pub fn enable_notifications(&mut self) -> bool {
        self.enable_notifications_after(1)
    }

    /// As [`enable_notifications`](Self::enable_notifications), once `count` more chains were used. `count` is clamped to 1 and to the
    /// number in flight. Without `EVENT_IDX`, the device interrupts for each chain.
    pub fn enable_notifications_after(&mut self, count: u16) -> bool {
        let count = count.clamp(1, self.in_flight.max(1));
        self.failure.is_some() || self.notifications.enable(&mut self.available, &self.used, self.seen, count)
    }

    /// Disables interrupts. One that is in flight may still arrive.
    pub fn disable_notifications(&mut self) {
        self.notifications.disable(&mut self.available, self.seen);
    }

    /// Shows the [`watch`](Self::watch) that all used chains were taken, where the driver requests no further interrupt for now: it
    /// has no more chains to submit.
    pub fn mark_taken(&mut self) {
        self.notifications.mark_taken(&mut self.available, self.seen);
    }

    /// Returns whether the device must be kicked for the chains submitted since the last call. To be called before sleeping.
    pub fn needs_kick(&mut self) -> bool {
        self.failure.is_none() && self.notifications.needs_kick(&self.available, &self.used)
    }

    /// Returns the number of chains submitted since the last call of [`needs_kick`](Self::needs_kick).
    #[inline]
    #[must_use]
    pub fn unkicked(&self) -> u16 {
        self.notifications.unkicked(&self.available)
    }

    /// Declares the queue dead, as after a violation of the protocol: it accepts and returns no chain any more.
    pub fn abandon(&mut self) {
        self.failure = Some(QueueError::Dead);
    }

    fn check_alive(&self) -> Result<(), QueueError> {
        match self.failure {
            Some(_) => Err(QueueError::Dead),
            None => Ok(()),
        }
    }

    fn fail(&mut self, error: QueueError) -> QueueError {
        self.failure = Some(error);
        error
    }
}

impl<C> fmt::Debug for SplitQueue<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SplitQueue")
            .field("size", &self.chains.len())
            .field("in_flight", &self.in_flight)
            .field("seen", &self.seen)
            .field("failure", &self.failure)
            .finish_non_exhaustive()
    }
}
