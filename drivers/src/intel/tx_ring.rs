//! The transmit ring, as descriptors in memory, without the registers.
//!
//! Each descriptor keeps its buffer, and a frame is built in place. Descriptors from `oldest` up to `submitted` are owned by the
//! device; those from `submitted` up to `next` hold frames that are not submitted yet. Only each sixteenth descriptor asks for a
//! report, which stands for all before it too. They are reclaimed together, when the ring is full.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::marker::PhantomData;

use switchboard::dma::{BusAddress, DmaBuffer, DmaPort, DmaShared};
use switchboard::driver::ProbeError;

use super::BUFFER_BYTES;
use super::descriptors::{COMMAND_END, DONE, Descriptor, INSERT_CRC, Layout, NOT_SENT, REPORT, WriteBack, descriptors};
use crate::interfaces::network::CardCounters;
use crate::planted::planted;
use crate::ring_nic::TransmitRing;

/// Descriptors in the ring: a multiple of [`REPORT_EVERY`], and at least two of it, so that a full ring always has a report
/// outstanding.
pub(crate) const FRAMES: u16 = 64;

/// Descriptors for each report. A report is a write to memory and, when the ring is full, an interrupt.
const REPORT_EVERY: u16 = 16;

/// The transmit ring.
#[derive(Debug)]
pub struct TxRing<L> {
    descriptors: DmaShared<Descriptor>,
    buffers: Vec<DmaBuffer>,
    oldest: u16,
    submitted: u16,
    next: u16,
    counters: Arc<CardCounters>,
    _layout: PhantomData<fn() -> L>,
}

impl<L: Layout> TxRing<L> {
    /// Allocates an empty ring.
    pub(crate) fn new(dma: &DmaPort, counters: Arc<CardCounters>) -> Result<Self, ProbeError> {
        let descriptors = descriptors(dma, FRAMES)?;
        let buffers = dma.buffers(FRAMES.into(), BUFFER_BYTES)?;
        Ok(Self { descriptors, buffers, oldest: 0, submitted: 0, next: 0, counters, _layout: PhantomData })
    }

    /// Returns the address of the descriptors.
    pub(crate) fn bus(&self) -> BusAddress {
        self.descriptors.bus()
    }

    /// Returns the tail after one more frame.
    fn following(&self) -> u16 {
        (self.next + 1) % FRAMES
    }

    /// Submits all frames: returns the new value of the tail register, or `None` when there are none.
    pub(crate) fn tail_update(&mut self) -> Option<u16> {
        let has_new = self.submitted != self.next;
        self.submitted = self.next;
        planted!("e1000-doorbell-first" => return Some(self.following()));
        let tail = planted!(self.submitted, "e1000-tail-one-short" => (self.submitted + FRAMES - 1) % FRAMES);
        has_new.then_some(tail)
    }

    /// Reclaims the descriptors that the device reports as done, among those that were submitted.
    pub(crate) fn reclaim(&mut self) {
        while (self.submitted + FRAMES - self.oldest) % FRAMES >= REPORT_EVERY {
            // A reclaimed group ends with a report, so `oldest` is always the first of sixteen.
            let report: WriteBack = self.descriptors.read_as((self.oldest + REPORT_EVERY - 1).into());
            let status = report.transmit_status();
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

impl<L: Layout> TransmitRing for TxRing<L> {
    /// Returns whether there is no room for a frame. One descriptor stays unused, so that a full ring differs from an empty one.
    fn is_full(&self) -> bool {
        self.following() == self.oldest
    }

    /// Returns the number of frames that are not submitted yet.
    fn unsubmitted(&self) -> u16 {
        (self.next + FRAMES - self.submitted) % FRAMES
    }

    /// Returns the buffer for the next frame. Only for a ring that is not full.
    fn buffer(&mut self) -> &mut [u8] {
        &mut self.buffers[usize::from(self.next)]
    }

    /// Adds the first `length` bytes of that buffer as a frame. The caller has sliced the buffer, so `length` fits.
    fn push(&mut self, length: usize) {
        let is_report = self.next % REPORT_EVERY == REPORT_EVERY - 1;
        let report = if is_report { REPORT } else { 0 };
        let length = u32::from(u16::try_from(length).unwrap_or(0));
        let descriptor = Descriptor {
            address: self.buffers[usize::from(self.next)].bus(),
            command: length | L::KIND | COMMAND_END | INSERT_CRC | report,
            options: L::options(length),
        };
        self.descriptors.write(self.next.into(), descriptor);
        self.next = self.following();
    }
}
