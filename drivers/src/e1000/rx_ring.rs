//! The receive ring: which buffers the device has, and what it reports to have put there. Descriptors only, no registers.
//!
//! Every descriptor keeps its buffer for good. The device has those from `next` up to `tail`; a frame is looked at
//! in place, and its descriptor goes back behind the others. One descriptor always stays out, so that a full ring
//! and an empty one differ (3.2.6).

use alloc::sync::Arc;
use alloc::vec::Vec;

use switchboard::dma::{BusAddress, DmaBuffer, DmaPort, DmaShared};
use switchboard::driver::ProbeError;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::counters::E1000Counters;
use super::{BUFFER_BYTES, descriptors};

/// A legacy receive descriptor (3.2.3) as the driver writes it: where the buffer is, and zeroes for the report.
#[derive(Debug, Clone, Copy, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct RxDescriptor {
    address: BusAddress,
    report: u64,
}

/// The same descriptor as the device writes it back.
#[derive(Debug, Clone, Copy, FromBytes, KnownLayout)]
#[repr(C)]
struct RxReport {
    _address: u64,
    length: u16,
    _checksum: u16,
    status: u8,
    errors: u8,
    _special: u16,
}

/// `status`: the device is done with it.
const DONE: u8 = 1 << 0;
/// `status`: the frame ends here.
const END: u8 = 1 << 1;
/// `errors`: CRC, symbol, sequence, carrier extension, and data errors. The rest is about checksums, which the stack
/// verifies for itself.
const FRAME_ERRORS: u8 = 0b1001_0111;

/// Frames that can arrive before the stack looks. The ring's size in bytes must be a multiple of 128.
pub(super) const FRAMES: u16 = 128;

/// Descriptors that are given back in one go: each time costs a register write, which under a hypervisor is an
/// exit. The device is never short of them meanwhile, since it has all the others.
const BATCH: u16 = 16;

/// A report that cannot be true. The device is quarantined for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum RxFault {
    #[error("a frame of {length} bytes is reported in a buffer of {BUFFER_BYTES}")]
    TooLong { length: u16 },
}

#[derive(Debug)]
pub(super) struct RxRing {
    descriptors: DmaShared<RxDescriptor>,
    buffers: Vec<DmaBuffer>,
    next: u16,
    tail: u16,
    /// Given back in memory, and not yet by `tail`.
    released: u16,
    /// In the middle of a frame that is dropped.
    dropping: bool,
    counters: Arc<E1000Counters>,
}

impl RxRing {
    /// A ring whose descriptors, all but one, are the device's.
    pub(super) fn new(dma: &DmaPort, counters: Arc<E1000Counters>) -> Result<Self, ProbeError> {
        let descriptors = descriptors(dma, FRAMES)?;
        let buffers = dma.buffers(FRAMES.into(), BUFFER_BYTES)?;
        let mut ring = Self { descriptors, buffers, next: 0, tail: FRAMES - 1, released: 0, dropping: false, counters };
        (0..FRAMES).for_each(|index| ring.reset(index));
        Ok(ring)
    }

    /// Where the device finds the descriptors.
    pub(super) fn bus(&self) -> BusAddress {
        self.descriptors.bus()
    }

    /// What the tail register is to hold at first.
    pub(super) fn tail(&self) -> u16 {
        self.tail
    }

    /// The length of the next good frame, if there is one; those that are not good are dropped on the way.
    ///
    /// # Errors
    /// [`RxFault`]: the device is malfunctioning.
    pub(super) fn poll(&mut self) -> Result<Option<usize>, RxFault> {
        while self.next != self.tail && self.head().status & DONE != 0 {
            // Read anew: of the first read nothing but the status, which the device writes last, was sure to be there.
            let RxReport { length, status, errors, .. } = self.head();
            if usize::from(length) > BUFFER_BYTES {
                return Err(RxFault::TooLong { length });
            }
            let is_whole = status & END != 0 && !self.dropping;
            self.dropping = status & END == 0;
            if is_whole && errors & FRAME_ERRORS == 0 && length != 0 {
                return Ok(Some(length.into()));
            }
            self.counters.count_dropped();
            self.release();
        }
        Ok(None)
    }

    /// The frame that [`poll`](Self::poll) found.
    pub(super) fn frame(&mut self, length: usize) -> &mut [u8] {
        &mut self.buffers[usize::from(self.next)][..length]
    }

    /// Gives the descriptor of that frame back.
    pub(super) fn release(&mut self) {
        self.reset(self.next);
        self.next = (self.next + 1) % FRAMES;
        self.released += 1;
    }

    /// What to write to the tail register, when it is time to.
    pub(super) fn tail_update(&mut self) -> Option<u16> {
        if self.released < BATCH {
            return None;
        }
        self.tail = (self.tail + self.released) % FRAMES;
        self.released = 0;
        Some(self.tail)
    }

    /// The whole descriptor, with the address: a device writes all of it back, and what it wrote is not used again.
    fn reset(&mut self, index: u16) {
        let address = self.buffers[usize::from(index)].bus();
        self.descriptors.write(index.into(), RxDescriptor { address, report: 0 });
    }

    fn head(&self) -> RxReport {
        self.descriptors.read_as(self.next.into())
    }
}
