//! The rings of descriptors and of completions in memory.
//!
//! A descriptor or completion belongs to the device or to the driver by a generation bit, which changes its meaning with each
//! round. A descriptor is two words of 64 bits, the first its address, and the second, which has that bit, is written last.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};

use switchboard::dma::{BusAddress, DmaBuffer, DmaPort, DmaReader, DmaShared};
use switchboard::driver::ProbeError;

use crate::interfaces::network::CardCounters;
use crate::ring_nic::{ReceiveRing, TransmitRing};

/// Descriptors of the receive ring, and of the transmit ring: multiples of 32.
pub(super) const RX_FRAMES: u16 = 128;
pub(super) const TX_FRAMES: u16 = 64;
/// The second receive ring is for further parts of long frames, and has no descriptor for the device.
const SECOND_RING: u16 = 32;
pub(super) const RX_COMPLETIONS: u16 = RX_FRAMES + SECOND_RING;
/// The size of a buffer.
pub(super) const BUFFER_BYTES: usize = 2048;
/// The bytes of the transmit data ring for each frame. It is not used, and has to be there.
const DATA_BYTES: usize = 128;
/// Descriptors for each completion of sent frames.
const REPORT_EVERY: u16 = 16;
/// Receive descriptors that the device is notified of together.
const BATCH: u16 = 16;

/// Second word of a receive descriptor: the generation.
const RX_GENERATION: u64 = 1 << 31;
/// Second word of a transmit descriptor: the generation, end of the frame, and a request for a completion.
const TX_GENERATION: u64 = 1 << 14;
const TX_END: u64 = 1 << 44;
const TX_REPORT: u64 = 1 << 45;
/// Second word of a completion: the generation.
const COMPLETION_GENERATION: u64 = 1 << 63;
/// First word of a completion: the index of the descriptor; of a received frame, whether it ends and begins there, and its ring.
const INDEX: u64 = 0xfff;
const WHOLE: u64 = 1 << 14 | 1 << 15;
const RX_RING_SHIFT: u32 = 16;
const RX_RING: u64 = 0x3ff;
/// Second word of the completion of a received frame: its length, and whether it is damaged.
const LENGTH: u64 = 0x3fff;
const RX_ERROR: u64 = 1 << 14;

/// An impossible report, for which the device is quarantined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("a frame of {length} bytes is reported in a buffer of {BUFFER_BYTES}")]
    TooLong { length: usize },
    #[error("descriptor {index} of receive ring {ring} is reported, which the device does not have")]
    NotReceiving { ring: u64, index: u16 },
    #[error("transmit descriptor {index} is reported, which the device does not have")]
    NotSending { index: u16 },
    #[error("a queue has stopped with an error")]
    Queue,
}

fn words(dma: &DmaPort, count: u16) -> Result<DmaShared<u64>, ProbeError> {
    let words = dma.region(usize::from(count) * 16)?.carve(2 * usize::from(count), 512);
    words.ok_or(ProbeError::Device("the descriptors do not fit their region"))
}

/// A ring of completions.
#[derive(Debug)]
struct Completions {
    words: DmaShared<u64>,
    size: u16,
    next: u16,
    /// Whether the generation bit of new completions is set.
    is_set: bool,
    /// Both, for the context of the handlers: `next`, and `is_set` above it.
    position: Arc<AtomicU32>,
}

/// A view of a ring of completions.
#[derive(Debug)]
pub(super) struct CompletionWatch {
    words: DmaReader<u64>,
    position: Arc<AtomicU32>,
}

impl CompletionWatch {
    /// Returns the index of a completion that the driver has not taken.
    pub(super) fn pending(&self) -> Option<u32> {
        let position = self.position.load(Ordering::Acquire);
        let second = self.words.read(2 * (position & 0xffff) as usize + 1);
        ((second & COMPLETION_GENERATION != 0) == (position >> 16 != 0)).then_some(position)
    }
}

impl Completions {
    fn new(dma: &DmaPort, size: u16) -> Result<Self, ProbeError> {
        Ok(Self { words: words(dma, size)?, size, next: 0, is_set: true, position: Arc::new(AtomicU32::new(1 << 16)) })
    }

    fn watch(&self) -> CompletionWatch {
        CompletionWatch { words: self.words.reader(), position: self.position.clone() }
    }

    /// Returns both words of the next completion, if there is one.
    fn peek(&self) -> Option<(u64, u64)> {
        let place = 2 * usize::from(self.next);
        let second = self.words.read(place + 1);
        ((second & COMPLETION_GENERATION != 0) == self.is_set).then(|| (self.words.read(place), second))
    }

    fn advance(&mut self) {
        self.next = (self.next + 1) % self.size;
        self.is_set ^= self.next == 0;
        self.position.store(u32::from(self.next) | u32::from(self.is_set) << 16, Ordering::Release);
    }
}

fn index_of(completion: u64) -> u16 {
    (completion & INDEX) as u16
}

/// The receive ring.
#[derive(Debug)]
pub struct RxRing {
    words: DmaShared<u64>,
    second: DmaShared<u64>,
    completions: Completions,
    buffers: Vec<DmaBuffer>,
    /// The descriptor of the next frame.
    next: u16,
    /// The descriptor that is not the device's, so that a full ring differs from an empty one: the one before `next`.
    spare: u16,
    /// Whether the generation bit of `spare` is to be set.
    is_set: bool,
    /// Descriptors of which the device was not notified.
    released: u16,
}

impl RxRing {
    /// Allocates a ring of which the device has all descriptors but one.
    pub(super) fn new(dma: &DmaPort) -> Result<Self, ProbeError> {
        let buffers = dma.buffers(RX_FRAMES.into(), BUFFER_BYTES)?;
        let (words, second) = (words(dma, RX_FRAMES)?, words(dma, SECOND_RING)?);
        let completions = Completions::new(dma, RX_COMPLETIONS)?;
        let mut ring =
            Self { words, second, completions, buffers, next: 0, spare: RX_FRAMES - 1, is_set: true, released: 0 };
        (0..RX_FRAMES - 1).for_each(|index| ring.give(index, true));
        Ok(ring)
    }

    pub(super) fn descriptors(&self) -> [BusAddress; 2] {
        [self.words.bus(), self.second.bus()]
    }

    pub(super) fn completions(&self) -> BusAddress {
        self.completions.words.bus()
    }

    /// Returns a view of the completions, for the context of the handlers.
    pub(super) fn watch(&self) -> CompletionWatch {
        self.completions.watch()
    }

    /// Returns the first value of the producer register.
    pub(super) fn producer(&self) -> u16 {
        self.spare
    }

    /// Returns the length of the next good frame, if there is one, and drops bad ones before it.
    ///
    /// # Errors
    /// [`Fault`] for an impossible report.
    pub(super) fn poll(&mut self, counters: &CardCounters) -> Result<Option<usize>, Fault> {
        // At most one round, in case the device completes every descriptor at once.
        for _ in 0..RX_FRAMES {
            let Some((first, second)) = self.completions.peek() else { break };
            let (index, ring) = (index_of(first), first >> RX_RING_SHIFT & RX_RING);
            if ring != 0 || index >= RX_FRAMES || index == self.spare {
                return Err(Fault::NotReceiving { ring, index });
            }
            // The device may skip descriptors.
            while self.next != index {
                counters.count_dropped();
                self.release_descriptor();
            }
            let length = usize::try_from(second & LENGTH).unwrap_or(usize::MAX);
            if length > BUFFER_BYTES {
                return Err(Fault::TooLong { length });
            }
            if first & WHOLE == WHOLE && second & RX_ERROR == 0 && length != 0 {
                return Ok(Some(length));
            }
            counters.count_dropped();
            self.release();
        }
        Ok(None)
    }

    fn release_descriptor(&mut self) {
        self.give(self.spare, self.is_set);
        self.spare = (self.spare + 1) % RX_FRAMES;
        self.is_set ^= self.spare == 0;
        self.next = (self.next + 1) % RX_FRAMES;
        self.released += 1;
    }

    /// Returns the new value of the producer register once a batch of descriptors was given back, or `None` before.
    pub(super) fn producer_update(&mut self) -> Option<u16> {
        if self.released < BATCH {
            return None;
        }
        self.released = 0;
        Some(self.spare)
    }

    /// Gives a descriptor to the device.
    fn give(&mut self, index: u16, is_set: bool) {
        let generation = if is_set { RX_GENERATION } else { 0 };
        self.words.write_as(2 * usize::from(index), self.buffers[usize::from(index)].bus());
        self.words.write(2 * usize::from(index) + 1, BUFFER_BYTES as u64 | generation);
    }
}

impl ReceiveRing for RxRing {
    /// Returns the frame that [`poll`](Self::poll) found.
    fn frame(&mut self, length: usize) -> &mut [u8] {
        &mut self.buffers[usize::from(self.next)][..length]
    }

    /// Gives the descriptor of that frame back.
    fn release(&mut self) {
        self.completions.advance();
        self.release_descriptor();
    }
}

/// The transmit ring. Only each sixteenth descriptor asks for a completion, which stands for all before it too.
#[derive(Debug)]
pub struct TxRing {
    words: DmaShared<u64>,
    data: DmaBuffer,
    completions: Completions,
    buffers: Vec<DmaBuffer>,
    oldest: u16,
    /// The number of descriptors from `oldest` on that hold frames.
    used: u16,
    /// The number of them that the device was not notified of.
    unsubmitted: u16,
    /// Whether the generation bit of the next descriptor is to be set.
    is_set: bool,
}

impl TxRing {
    /// Allocates an empty ring.
    pub(super) fn new(dma: &DmaPort) -> Result<Self, ProbeError> {
        let buffers = dma.buffers(TX_FRAMES.into(), BUFFER_BYTES)?;
        let (words, data) = (words(dma, TX_FRAMES)?, dma.buffer(usize::from(TX_FRAMES) * DATA_BYTES)?);
        let completions = Completions::new(dma, TX_FRAMES)?;
        Ok(Self { words, data, completions, buffers, oldest: 0, used: 0, unsubmitted: 0, is_set: true })
    }

    pub(super) fn descriptors(&self) -> BusAddress {
        self.words.bus()
    }

    pub(super) fn data(&self) -> BusAddress {
        self.data.bus()
    }

    pub(super) fn completions(&self) -> BusAddress {
        self.completions.words.bus()
    }

    /// Returns a view of the completions, for the context of the handlers.
    pub(super) fn watch(&self) -> CompletionWatch {
        self.completions.watch()
    }

    fn next(&self) -> u16 {
        (self.oldest + self.used) % TX_FRAMES
    }

    /// Returns the new value of the producer register, or `None` when there are no new frames.
    pub(super) fn producer_update(&mut self) -> Option<u16> {
        (core::mem::take(&mut self.unsubmitted) > 0).then(|| self.next())
    }

    /// Reclaims the descriptors that the device has completed.
    ///
    /// # Errors
    /// [`Fault`] for an impossible report.
    pub(super) fn reclaim(&mut self) -> Result<(), Fault> {
        for _ in 0..TX_FRAMES {
            let Some((first, _)) = self.completions.peek() else { break };
            let index = index_of(first);
            let done = (index + TX_FRAMES - self.oldest) % TX_FRAMES + 1;
            if index >= TX_FRAMES || done > self.used {
                return Err(Fault::NotSending { index });
            }
            self.completions.advance();
            self.oldest = (self.oldest + done) % TX_FRAMES;
            self.used -= done;
            self.unsubmitted = self.unsubmitted.min(self.used);
        }
        Ok(())
    }
}

impl TransmitRing for TxRing {
    /// Returns whether there is no room for a frame. One descriptor stays unused.
    fn is_full(&self) -> bool {
        self.used == TX_FRAMES - 1
    }

    fn unsubmitted(&self) -> u16 {
        self.unsubmitted
    }

    /// Returns the buffer for the next frame. Only for a ring that is not full.
    fn buffer(&mut self) -> &mut [u8] {
        let next = self.next();
        &mut self.buffers[usize::from(next)]
    }

    /// Adds the first `length` bytes of that buffer as a frame.
    fn push(&mut self, length: usize) {
        let next = self.next();
        let report = if next % REPORT_EVERY == REPORT_EVERY - 1 { TX_REPORT } else { 0 };
        let generation = if self.is_set { TX_GENERATION } else { 0 };
        self.words.write_as(2 * usize::from(next), self.buffers[usize::from(next)].bus());
        self.words.write(2 * usize::from(next) + 1, (length as u64 & LENGTH) | generation | TX_END | report);
        self.is_set ^= next == TX_FRAMES - 1;
        self.used += 1;
        self.unsubmitted += 1;
    }
}
