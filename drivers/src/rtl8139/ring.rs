//! The rings of descriptors in memory. The owner of a descriptor is a bit in it; the card keeps no indices that the driver sees.
//!
//! A descriptor is two words of 64 bits, the second its address (datasheet, 9.2), so that the bit of the owner is written last.

use alloc::vec::Vec;

use switchboard::dma::{BusAddress, DmaBuffer, DmaPort, DmaShared};
use switchboard::driver::ProbeError;

use crate::interfaces::network::CardCounters;
use crate::ring_nic::{ReceiveRing, TransmitRing};

/// Descriptors in each ring, of which the card allows 64.
pub(super) const FRAMES: u16 = 64;
/// The size of a buffer.
pub(super) const BUFFER_BYTES: usize = 2048;

/// The descriptor is the card's.
const OWNED_BY_CARD: u64 = 1 << 31;
/// The last descriptor of the ring.
const LAST: u64 = 1 << 30;
/// The frame begins and ends in this descriptor.
const WHOLE: u64 = 1 << 29 | 1 << 28;
/// A received frame is damaged: a summary, and too long, runt, CRC, and alignment.
const RECEIVE_ERRORS: u64 = 1 << 20 | 1 << 21 | 1 << 19 | 1 << 18 | 1 << 27;
/// A frame was not sent.
const TRANSMIT_ERRORS: u64 = 1 << 23;
/// The length of a received frame, with its CRC.
const LENGTH: u64 = 0x1fff;
const CRC_BYTES: usize = 4;

/// An impossible report, for which the card is quarantined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a frame of {length} bytes is reported in a buffer of {BUFFER_BYTES}")]
pub struct TooLong {
    length: usize,
}

/// Descriptors with a buffer each.
#[derive(Debug)]
struct Ring {
    words: DmaShared<u64>,
    buffers: Vec<DmaBuffer>,
}

impl Ring {
    fn new(dma: &DmaPort) -> Result<Self, ProbeError> {
        let words = dma.region(usize::from(FRAMES) * 16)?.carve(2 * usize::from(FRAMES), 256);
        let words = words.ok_or(ProbeError::Device("the descriptors do not fit their region"))?;
        Ok(Self { words, buffers: dma.buffers(FRAMES.into(), BUFFER_BYTES)? })
    }

    fn read(&self, index: u16) -> u64 {
        self.words.read(2 * usize::from(index))
    }

    /// Writes the whole descriptor, address included: the card may have overwritten any of it.
    fn write(&mut self, index: u16, status: u64) {
        let last = if index == FRAMES - 1 { LAST } else { 0 };
        self.words.write_as(2 * usize::from(index) + 1, self.buffers[usize::from(index)].bus());
        self.words.write(2 * usize::from(index), status | last);
    }
}

/// The receive ring.
#[derive(Debug)]
pub struct RxRing {
    ring: Ring,
    next: u16,
}

impl RxRing {
    /// Allocates a ring of which all descriptors are the card's.
    pub(super) fn new(dma: &DmaPort) -> Result<Self, ProbeError> {
        let mut this = Self { ring: Ring::new(dma)?, next: 0 };
        (0..FRAMES).for_each(|index| this.ring.write(index, OWNED_BY_CARD | BUFFER_BYTES as u64));
        Ok(this)
    }

    pub(super) fn bus(&self) -> BusAddress {
        self.ring.words.bus()
    }

    /// Returns the length of the next good frame, if there is one, and drops bad ones before it.
    ///
    /// # Errors
    /// [`TooLong`] for an impossible report.
    pub(super) fn poll(&mut self, counters: &CardCounters) -> Result<Option<usize>, TooLong> {
        // At most one round, in case the card gives every descriptor back at once.
        for _ in 0..FRAMES {
            let status = self.ring.read(self.next);
            if status & OWNED_BY_CARD != 0 {
                return Ok(None);
            }
            let length = usize::try_from(status & LENGTH).unwrap_or(usize::MAX);
            if length > BUFFER_BYTES {
                return Err(TooLong { length });
            }
            if status & WHOLE == WHOLE && status & RECEIVE_ERRORS == 0 && length > CRC_BYTES {
                return Ok(Some(length - CRC_BYTES));
            }
            counters.count_dropped();
            self.release();
        }
        Ok(None)
    }
}

impl ReceiveRing for RxRing {
    /// Returns the frame that [`poll`](Self::poll) found.
    fn frame(&mut self, length: usize) -> &mut [u8] {
        &mut self.ring.buffers[usize::from(self.next)][..length]
    }

    /// Gives the descriptor of that frame back to the card.
    fn release(&mut self) {
        self.ring.write(self.next, OWNED_BY_CARD | BUFFER_BYTES as u64);
        self.next = (self.next + 1) % FRAMES;
    }
}

/// The transmit ring. Sent frames are reclaimed when it is full.
#[derive(Debug)]
pub struct TxRing {
    ring: Ring,
    oldest: u16,
    /// The number of descriptors from `oldest` on that hold frames.
    used: u16,
    /// Frames for which the card was not notified yet.
    unsubmitted: u16,
}

impl TxRing {
    /// Allocates an empty ring.
    pub(super) fn new(dma: &DmaPort) -> Result<Self, ProbeError> {
        let mut this = Self { ring: Ring::new(dma)?, oldest: 0, used: 0, unsubmitted: 0 };
        (0..FRAMES).for_each(|index| this.ring.write(index, 0));
        Ok(this)
    }

    pub(super) fn bus(&self) -> BusAddress {
        self.ring.words.bus()
    }

    fn next(&self) -> u16 {
        (self.oldest + self.used) % FRAMES
    }

    /// Returns whether there were frames for which the card has to be notified.
    pub(super) fn take_unsubmitted(&mut self) -> bool {
        core::mem::take(&mut self.unsubmitted) > 0
    }

    /// Reclaims the descriptors that the card has given back.
    pub(super) fn reclaim(&mut self, counters: &CardCounters) {
        while self.used > 0 {
            let status = self.ring.read(self.oldest);
            if status & OWNED_BY_CARD != 0 {
                break;
            }
            if status & TRANSMIT_ERRORS != 0 {
                counters.count_send_error();
            }
            self.oldest = (self.oldest + 1) % FRAMES;
            self.used -= 1;
        }
    }
}

impl TransmitRing for TxRing {
    fn is_full(&self) -> bool {
        self.used == FRAMES
    }

    fn unsubmitted(&self) -> u16 {
        self.unsubmitted
    }

    /// Returns the buffer for the next frame. Only for a ring that is not full.
    fn buffer(&mut self) -> &mut [u8] {
        let next = self.next();
        &mut self.ring.buffers[usize::from(next)]
    }

    /// Adds the first `length` bytes of that buffer as a frame, which the card may send from now on.
    fn push(&mut self, length: usize) {
        self.ring.write(self.next(), OWNED_BY_CARD | WHOLE | (length as u64 & 0xffff));
        self.used += 1;
        self.unsubmitted += 1;
    }
}
