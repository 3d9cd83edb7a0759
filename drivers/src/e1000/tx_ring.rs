//! The transmit ring: frames that wait for the device, are with it, or are done. Descriptors only, no registers.
//!
//! Every descriptor keeps its buffer for good, and a frame is built in place. Frames from `submitted` up to `next` are
//! ready and not submitted yet; those from `oldest` up to `submitted` it has. It reports every sixteenth
//! only, and a report stands for all frames before it, which are taken back together when the ring has run full.

use alloc::sync::Arc;
use alloc::vec::Vec;

use switchboard::dma::{BusAddress, DmaBuffer, DmaPort, DmaShared};
use switchboard::driver::ProbeError;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::counters::E1000Counters;
use super::{BUFFER_BYTES, descriptors};

/// A legacy transmit descriptor (3.3.3) as the driver writes it.
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

/// The same descriptor as the device writes it back.
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
/// `command`: the device reports when it is done.
const REPORT: u8 = 1 << 3;
/// `status`: done.
const DONE: u8 = 1 << 0;
/// `status`: not sent, for too many collisions or a late one.
const NOT_SENT: u8 = 1 << 1 | 1 << 2;

/// Frames that can wait for the wire: a multiple of [`REPORT_EVERY`], and more than one, so that there is a report to
/// wait for in a full ring.
pub(super) const FRAMES: u16 = 64;

/// Each report is a write to memory and, when the ring is full, an interrupt.
const REPORT_EVERY: u16 = 16;

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
    /// An empty ring.
    pub(super) fn new(dma: &DmaPort, counters: Arc<E1000Counters>) -> Result<Self, ProbeError> {
        let descriptors = descriptors(dma, FRAMES)?;
        let buffers = dma.buffers(FRAMES.into(), BUFFER_BYTES)?;
        Ok(Self { descriptors, buffers, oldest: 0, submitted: 0, next: 0, counters })
    }

    /// Where the device finds the descriptors.
    pub(super) fn bus(&self) -> BusAddress {
        self.descriptors.bus()
    }

    /// Whether there is no room for a frame. One descriptor stays out, so that full and empty differ.
    pub(super) fn is_full(&self) -> bool {
        (self.next + 1) % FRAMES == self.oldest
    }

    /// Returns the frames that were not submitted yet.
    pub(super) fn unsubmitted(&self) -> u16 {
        (self.next + FRAMES - self.submitted) % FRAMES
    }

    /// Where the next frame is built. Not when the ring is full.
    pub(super) fn buffer(&mut self) -> &mut [u8] {
        &mut self.buffers[usize::from(self.next)]
    }

    /// Makes the first `length` bytes of that buffer a frame. At most a buffer's size, which callers have sliced.
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
        self.next = (self.next + 1) % FRAMES;
        self.counters.count_sent();
    }

    /// What to write to the tail register, when there are frames that were not submitted.
    pub(super) fn tail_update(&mut self) -> Option<u16> {
        let has_new = self.submitted != self.next;
        self.submitted = self.next;
        has_new.then_some(self.submitted)
    }

    /// Takes back what the device reports as done. Only descriptors that were submitted are looked at.
    pub(super) fn reclaim(&mut self) {
        while (self.submitted + FRAMES - self.oldest) % FRAMES >= REPORT_EVERY {
            // What is taken back ends with a report, so `oldest` is always the first of sixteen.
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
