//! The receive ring, as descriptors in memory, without the registers.
//!
//! Each descriptor keeps its buffer. The device owns those from `next` up to `tail`; a frame is read in place, and its descriptor is
//! then released behind the others. One descriptor always stays out, so that a full ring differs from an empty one (3.2.6).

use alloc::sync::Arc;
use alloc::vec::Vec;

use switchboard::dma::{BusAddress, DmaBuffer, DmaPort, DmaShared};
use switchboard::driver::ProbeError;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::BUFFER_BYTES;
use super::counters::E1000Counters;
use super::descriptors::descriptors;

/// A legacy receive descriptor (3.2.3), as the driver writes it: the address of the buffer, and zeros for the report.
#[derive(Debug, Clone, Copy, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct RxDescriptor {
    address: BusAddress,
    report: u64,
}

/// The same descriptor, as the device writes it back.
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

/// `status`: the device has written the descriptor back.
const DONE: u8 = 1 << 0;
/// `status`: the frame ends here.
const END: u8 = 1 << 1;
/// `errors`: CRC, symbol, sequence, carrier extension, and data errors. The other bits are checksum errors; the stack verifies
/// checksums by itself.
const FRAME_ERRORS: u8 = 0b1001_0111;

/// Descriptors in the ring. Its size in bytes must be a multiple of 128.
pub(super) const FRAMES: u16 = 128;

/// Descriptors that are returned to the device together, since each write to the tail register is an exit under a hypervisor. The
/// device has all the others meanwhile.
const BATCH: u16 = 16;

/// An impossible report, for which the device is quarantined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum RxFault {
    #[error("a frame of {length} bytes is reported in a buffer of {BUFFER_BYTES}")]
    TooLong { length: u16 },
}

/// The receive ring.
#[derive(Debug)]
pub(super) struct RxRing {
    descriptors: DmaShared<RxDescriptor>,
    buffers: Vec<DmaBuffer>,
    next: u16,
    tail: u16,
    /// Descriptors that are ready for the device, and not passed to it by `tail` yet.
    released: u16,
    /// The next descriptor continues a frame that is being dropped.
    dropping: bool,
    counters: Arc<E1000Counters>,
}

impl RxRing {
    /// Allocates a ring, of which the device owns all descriptors but one.
    pub(super) fn new(dma: &DmaPort, counters: Arc<E1000Counters>) -> Result<Self, ProbeError> {
        let descriptors = descriptors(dma, FRAMES)?;
        let buffers = dma.buffers(FRAMES.into(), BUFFER_BYTES)?;
        let mut ring = Self { descriptors, buffers, next: 0, tail: FRAMES - 1, released: 0, dropping: false, counters };
        (0..FRAMES).for_each(|index| ring.reset(index));
        Ok(ring)
    }

    /// Returns the address of the descriptors.
    pub(super) fn bus(&self) -> BusAddress {
        self.descriptors.bus()
    }

    /// Returns the first value of the tail register.
    pub(super) fn tail(&self) -> u16 {
        self.tail
    }

    /// Returns the length of the next good frame, if there is one, and drops bad ones before it.
    ///
    /// # Errors
    /// [`RxFault`] for an impossible report.
    pub(super) fn poll(&mut self) -> Result<Option<usize>, RxFault> {
        while self.next != self.tail && self.head().status & DONE != 0 {
            // Read again: the device writes the status last, so the rest of the first read may be older.
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

    /// Returns the frame that [`poll`](Self::poll) found.
    pub(super) fn frame(&mut self, length: usize) -> &mut [u8] {
        &mut self.buffers[usize::from(self.next)][..length]
    }

    /// Releases the descriptor of that frame.
    pub(super) fn release(&mut self) {
        self.reset(self.next);
        self.next = (self.next + 1) % FRAMES;
        self.released += 1;
    }

    /// Returns the new value of the tail register once a batch of descriptors was released, or `None` before.
    pub(super) fn tail_update(&mut self) -> Option<u16> {
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
        self.descriptors.write(index.into(), RxDescriptor { address, report: 0 });
    }

    fn head(&self) -> RxReport {
        self.descriptors.read_as(self.next.into())
    }
}
