//! The receive ring, as descriptors in memory, without the registers.
//!
//! Each descriptor keeps its buffer. The device owns those from `next` up to `tail`; a frame is read in place, and its descriptor is
//! then released behind the others. One descriptor always stays out, so that a full ring differs from an empty one (3.2.6).

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::marker::PhantomData;

use switchboard::dma::{BusAddress, DmaBuffer, DmaPort, DmaReader, DmaShared};
use switchboard::driver::ProbeError;

use super::BUFFER_BYTES;
use super::descriptors::{DONE, Descriptor, END, Layout, Received, descriptors};
use crate::interfaces::network::CardCounters;

/// Descriptors in the ring. Its size in bytes must be a multiple of 128.
pub(crate) const FRAMES: u16 = 128;

/// Descriptors that are returned to the device together, since each write to the tail register is an exit under a hypervisor. The
/// device has all the others meanwhile.
const BATCH: u16 = 16;

/// An impossible report, for which the device is quarantined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RxFault {
    #[error("a frame of {length} bytes is reported in a buffer of {BUFFER_BYTES}")]
    TooLong { length: u16 },
}

/// The receive ring.
#[derive(Debug)]
pub(crate) struct RxRing<L> {
    descriptors: DmaShared<Descriptor>,
    buffers: Vec<DmaBuffer>,
    next: u16,
    tail: u16,
    /// Descriptors that are ready for the device, and not passed to it by `tail` yet.
    released: u16,
    /// The next descriptor continues a frame that is being dropped.
    dropping: bool,
    counters: Arc<CardCounters>,
    _layout: PhantomData<fn() -> L>,
}

impl<L: Layout> RxRing<L> {
    /// Allocates a ring, of which the device owns all descriptors but one.
    pub(crate) fn new(dma: &DmaPort, counters: Arc<CardCounters>) -> Result<Self, ProbeError> {
        let descriptors = descriptors(dma, FRAMES)?;
        let buffers = dma.buffers(FRAMES.into(), BUFFER_BYTES)?;
        let mut ring = Self {
            descriptors,
            buffers,
            next: 0,
            tail: FRAMES - 1,
            released: 0,
            dropping: false,
            counters,
            _layout: PhantomData,
        };
        (0..FRAMES).for_each(|index| ring.reset(index));
        Ok(ring)
    }

    /// Returns the address of the descriptors.
    pub(crate) fn bus(&self) -> BusAddress {
        self.descriptors.bus()
    }

    /// Returns a view of the descriptors, for the context of the interrupt handler.
    pub(crate) fn watch(&self) -> RxWatch<L> {
        RxWatch { descriptors: self.descriptors.reader(), _layout: PhantomData }
    }

    /// Returns the first value of the tail register.
    pub(crate) fn tail(&self) -> u16 {
        self.tail
    }

    /// Returns the length of the next good frame, if there is one, and drops bad ones before it.
    ///
    /// # Errors
    /// [`RxFault`] for an impossible report.
    pub(crate) fn poll(&mut self) -> Result<Option<usize>, RxFault> {
        while self.next != self.tail && self.head().status & DONE != 0 {
            // Read again: the device writes the status last, so the rest of the first read may be older.
            let Received { length, status, has_error } = self.head();
            if usize::from(length) > BUFFER_BYTES {
                return Err(RxFault::TooLong { length });
            }
            let is_whole = status & END != 0 && !self.dropping;
            self.dropping = status & END == 0;
            if is_whole && !has_error && length != 0 {
                return Ok(Some(length.into()));
            }
            self.counters.count_dropped();
            self.release();
        }
        Ok(None)
    }

    /// Returns the frame that [`poll`](Self::poll) found.
    pub(crate) fn frame(&mut self, length: usize) -> &mut [u8] {
        &mut self.buffers[usize::from(self.next)][..length]
    }

    /// Releases the descriptor of that frame.
    pub(crate) fn release(&mut self) {
        self.reset(self.next);
        self.next = (self.next + 1) % FRAMES;
        self.released += 1;
    }

    /// Returns the new value of the tail register once a batch of descriptors was released, or `None` before.
    pub(crate) fn tail_update(&mut self) -> Option<u16> {
        if self.released < BATCH {
            return None;
        }
        self.tail = (self.tail + self.released) % FRAMES;
        self.released = 0;
        Some(self.tail)
    }

    /// Writes the whole descriptor, address included: the device may have overwritten any of it.
    fn reset(&mut self, index: u16) {
        let address = self.buffers[usize::from(index)].bus();
        self.descriptors.write(index.into(), Descriptor { address, command: 0, options: 0 });
    }

    fn head(&self) -> Received {
        L::received(self.descriptors.read_as(self.next.into()))
    }
}

/// A view of the descriptors.
#[derive(Debug)]
pub(crate) struct RxWatch<L> {
    descriptors: DmaReader<Descriptor>,
    _layout: PhantomData<fn() -> L>,
}

impl<L: Layout> RxWatch<L> {
    /// Returns the index of a descriptor that the device has written back and the driver has not released.
    pub(crate) fn written_back(&self) -> Option<u32> {
        let is_done = |index: &u16| L::received(self.descriptors.read_as((*index).into())).status & DONE != 0;
        (0..FRAMES).find(is_done).map(u32::from)
    }
}
