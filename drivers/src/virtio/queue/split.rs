//! A split virtqueue: chains go in, and come out with what the device wrote (virtio 1.2, 2.7).
//!
//! Pure protocol over shared memory; the doorbell and the interrupts are someone else's.

use alloc::boxed::Box;
use core::fmt;

use switchboard::dma::{BusAddress, DmaError, DmaPort};

use super::descriptor::{Chain, MAX_SEGMENTS, Segments};
use super::notifications::Notifications;
use super::rings::{Available, Used};
use super::table::Table;
use super::{QueueError, RingFeatures};

/// A chain that the device has.
#[derive(Debug)]
struct InFlight<C> {
    chain: C,
    descriptors: u16,
    /// Bytes that the device may write.
    writable: u32,
}

/// How large a queue is to be.
#[derive(Debug, Clone, Copy)]
pub struct QueueParameters {
    /// Descriptors; a power of two.
    pub size: u16,
    /// The most segments in one chain, up to [`MAX_SEGMENTS`].
    pub max_segments: u16,
}

/// Where the device finds the parts of a queue.
#[derive(Debug, Clone, Copy)]
pub struct QueueAddresses {
    /// The descriptor table.
    pub descriptors: BusAddress,
    /// The available ring ("driver area").
    pub available: BusAddress,
    /// The used ring ("device area").
    pub used: BusAddress,
}

/// The memory of a split virtqueue and its protocol. `C` is what the queue holds while the device has it.
///
/// # Invariants
/// `chains[head]` is there exactly while the chain beginning at descriptor `head` is with the device; `in_flight` counts
/// them.
pub struct SplitQueue<C> {
    table: Table,
    available: Available,
    used: Used,
    chains: Box<[Option<InFlight<C>>]>,
    /// Of the chain that is being submitted; here so that it is not made anew for each.
    segments: Segments,
    in_flight: u16,
    /// The used index up to which chains were taken back.
    seen: u16,
    notifications: Notifications,
    failure: Option<QueueError>,
}

impl<C: Chain> SplitQueue<C> {
    /// Lays a queue out in fresh memory.
    ///
    /// # Errors
    /// [`DmaError`] when there is no memory.
    ///
    /// # Panics
    /// When the size is no power of two or the max_segments chain is none: these are the driver's own constants.
    pub fn new(dma: &DmaPort, features: RingFeatures, shape: QueueParameters) -> Result<Self, DmaError> {
        let QueueParameters { size, max_segments } = shape;
        assert!(size.is_power_of_two() && size <= 0x8000, "a split queue has 1 to 32,768 descriptors, a power of two");
        assert!(
            max_segments >= 1 && usize::from(max_segments) <= MAX_SEGMENTS,
            "chains have 1 to {MAX_SEGMENTS} segments"
        );
        let is_indirect = max_segments > 1 && features.contains(RingFeatures::INDIRECT);
        let slack = 16;
        let bytes = Table::bytes(size, max_segments, is_indirect) + Available::bytes(size) + Used::bytes(size) + slack;
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

    /// Where its parts are.
    #[must_use]
    pub fn addresses(&self) -> QueueAddresses {
        QueueAddresses { descriptors: self.table.bus(), available: self.available.bus(), used: self.used.bus() }
    }

    /// Chains that the device has.
    #[must_use]
    pub fn in_flight(&self) -> u16 {
        self.in_flight
    }

    /// Descriptors that are free.
    #[must_use]
    pub fn free(&self) -> u16 {
        self.table.free()
    }

    /// Chains of the max_segments kind that fit at once into the whole queue.
    #[must_use]
    pub fn max_chains(&self) -> u16 {
        self.table.max_chains()
    }

    /// Offers a chain to the device. It may begin at once; it is only sure to when [`needs_kick`](Self::needs_kick)
    /// has been asked afterwards.
    ///
    /// # Errors
    /// [`QueueError`] and the chain.
    pub fn submit(&mut self, chain: C) -> Result<(), (QueueError, C)> {
        let ((head, descriptors), writable) = match self.write_down(&chain) {
            Ok(written) => written,
            Err(error) => return Err((error, chain)),
        };
        self.chains[usize::from(head)] = Some(InFlight { chain, descriptors, writable });
        self.in_flight += 1;
        self.available.publish(head);
        self.notifications.offered();
        Ok(())
    }

    /// The first descriptor of the chain and how many it takes, and the bytes that the device may write.
    #[inline]
    fn write_down(&mut self, chain: &C) -> Result<((u16, u16), u32), QueueError> {
        self.alive()?;
        let key = chain.key();
        if let Some((head, writable)) = key.and_then(|key| self.table.reuse(key)) {
            return Ok(((head, 1), writable));
        }
        self.segments.clear();
        chain.describe(&mut self.segments);
        let (list, writable) = self.segments.checked()?;
        Ok((self.table.write(list, writable, key)?, writable))
    }

    /// Whether [`complete`](Self::complete) has something to say: a chain, or an error.
    #[inline]
    #[must_use]
    pub fn has_used(&self) -> bool {
        self.used.index() != self.seen || self.failure.is_some()
    }

    /// Takes back a chain that the device is done with, and how many bytes it wrote.
    ///
    /// # Errors
    /// [`QueueError`] when the device broke the rules: then the queue is dead, and what it held stays in it, because
    /// the device may still write there.
    pub fn complete(&mut self) -> Result<Option<(C, u32)>, QueueError> {
        self.alive()?;
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

    /// Asks for an interrupt when the next chain is used; returns whether one was used meanwhile, in which case
    /// no interrupt may come for it and the caller must look again before it sleeps.
    pub fn enable_notifications(&mut self) -> bool {
        self.enable_notifications_after(1)
    }

    /// As [`enable_notifications`](Self::enable_notifications), once `count` chains more were used (at least one; more
    /// than are in flight are never waited for). Without `EVENT_IDX` the device cannot count, and one is enough.
    pub fn enable_notifications_after(&mut self, count: u16) -> bool {
        let count = count.clamp(1, self.in_flight.max(1));
        self.failure.is_some() || self.notifications.arm(&mut self.available, &self.used, self.seen, count)
    }

    /// Asks for no interrupts. One that is under way may still come.
    pub fn disable_notifications(&mut self) {
        self.notifications.disarm(&mut self.available, self.seen);
    }

    /// Whether the device must be kicked for what was submitted since this was last asked. Ask before sleeping.
    pub fn needs_kick(&mut self) -> bool {
        self.failure.is_none() && self.notifications.needs_kick(&self.available, &self.used)
    }

    /// Chains submitted since the last decision whether to kick.
    #[must_use]
    pub fn unkicked(&self) -> u16 {
        self.notifications.unkicked(&self.available)
    }

    /// Gives the queue up, as if the device had broken its rules: nothing goes in or comes out any more.
    pub fn abandon(&mut self) {
        self.failure = Some(QueueError::Dead);
    }

    fn alive(&self) -> Result<(), QueueError> {
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
