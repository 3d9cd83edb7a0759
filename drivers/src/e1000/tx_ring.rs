//! The transmit ring, as descriptors in memory, without the registers.
//!
//! Each descriptor keeps its buffer, and a frame is built in place. Descriptors from `oldest` up to `submitted` are owned by the
//! device; those from `submitted` up to `next` hold frames that are not submitted yet. Only each sixteenth descriptor asks for a
//! report, which stands for all before it too. They are reclaimed together, when the ring is full.

use alloc::sync::Arc;
use alloc::vec::Vec;

use switchboard::dma::{BusAddress, DmaBuffer, DmaPort, DmaShared};
use switchboard::driver::ProbeError;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::BUFFER_BYTES;
use super::counters::E1000Counters;
use super::descriptors::descriptors;

use crate::planted::planted;

/// A legacy transmit descriptor (3.3.3), as the driver writes it.
#[derive(Debug, Clone, Copy, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct TxDescriptor {
    address: BusAddress,
    length: u16,
    checksum_offset: u8,
    command: u8,
    status: u8,
    checksum_start: u8,
    special: u16,
}

/// The same descriptor, as the device writes it back.
#[derive(Debug, Clone, Copy, FromBytes, KnownLayout)]
#[repr(C)]
struct TxReport {
    _address: u64,
    _length_and_command: u32,
    status: u8,
    _checksum_start: u8,
    _special: u16,
}

/// `command`: the frame ends here.
const END: u8 = 1 << 0;
/// `command`: the device appends the CRC.
const INSERT_CRC: u8 = 1 << 1;
/// `command`: the device reports when the frame was sent.
const REPORT: u8 = 1 << 3;
/// `status`: done.
const DONE: u8 = 1 << 0;
/// `status`: not sent, because of too many collisions or of a late one.
const NOT_SENT: u8 = 1 << 1 | 1 << 2;

/// Descriptors in the ring: a multiple of [`REPORT_EVERY`], and at least two of it, so that a full ring always has a report
/// outstanding.
pub(super) const FRAMES: u16 = 64;

/// Descriptors for each report. A report is a write to memory and, when the ring is full, an interrupt.
const REPORT_EVERY: u16 = 16;

/// The transmit ring.
#[derive(Debug)]
pub(super) struct TxRing {
    descriptors: DmaShared<TxDescriptor>,
    buffers: Vec<DmaBuffer>,
    oldest: u16,
    submitted: u16,
    next: u16,
    counters: Arc<E1000Counters>,
}

impl TxRing {
    /// Allocates an empty ring.
    pub(super) fn new(dma: &DmaPort, counters: Arc<E1000Counters>) -> Result<Self, ProbeError> {
        let descriptors = descriptors(dma, FRAMES)?;
        let buffers = dma.buffers(FRAMES.into(), BUFFER_BYTES)?;
        Ok(Self { descriptors, buffers, oldest: 0, submitted: 0, next: 0, counters })
    }

    /// Returns the address of the descriptors.
    pub(super) fn bus(&self) -> BusAddress {
        self.descriptors.bus()
    }

    /// Returns whether there is no room for a frame. One descriptor stays unused, so that a full ring differs from an empty one.
    pub(super) fn is_full(&self) -> bool {
        self.following() == self.oldest
    }

    /// Returns the tail after one more frame.
    pub(super) fn following(&self) -> u16 {
        (self.next + 1) % FRAMES
    }

    /// Returns the number of frames that are not submitted yet.
    pub(super) fn unsubmitted(&self) -> u16 {
        (self.next + FRAMES - self.submitted) % FRAMES
    }

    /// Returns the buffer for the next frame. Only for a ring that is not full.
    pub(super) fn buffer(&mut self) -> &mut [u8] {
        &mut self.buffers[usize::from(self.next)]
    }

    /// Adds the first `length` bytes of that buffer as a frame. The caller has sliced the buffer, so `length` fits.
    pub(super) fn push(&mut self, length: usize) {
        let is_report = self.next % REPORT_EVERY == REPORT_EVERY - 1;
        let descriptor = TxDescriptor {
            address: self.buffers[usize::from(self.next)].bus(),
            length: u16::try_from(length).unwrap_or(0),
            checksum_offset: 0,
            command: END | INSERT_CRC | if is_report { REPORT } else { 0 },
            status: 0,
            checksum_start: 0,
            special: 0,
        };
        self.descriptors.write(self.next.into(), descriptor);
        self.next = self.following();
        self.counters.count_sent();
    }

    /// Submits all frames: returns the new value of the tail register, or `None` when there are none.
    pub(super) fn tail_update(&mut self) -> Option<u16> {
        let has_new = self.submitted != self.next;
        self.submitted = self.next;
        let tail = planted!(self.submitted, "e1000-tail-one-short" => (self.submitted + FRAMES - 1) % FRAMES);
        has_new.then_some(tail)
    }

    /// Reclaims the descriptors that the device reports as done, among those that were submitted.
    pub(super) fn reclaim(&mut self) {
        while (self.submitted + FRAMES - self.oldest) % FRAMES >= REPORT_EVERY {
            // A reclaimed group ends with a report, so `oldest` is always the first of sixteen.
            let TxReport { status, .. } = self.descriptors.read_as((self.oldest + REPORT_EVERY - 1).into());
            if status & DONE == 0 {
                break;
            }
            if status & NOT_SENT != 0 {
                self.counters.count_send_error();
            }
            self.oldest = (self.oldest + REPORT_EVERY) % FRAMES;
        }
    }
}
