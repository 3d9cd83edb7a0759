//! Descriptors, and the chains of them that a driver builds (virtio 1.2, 2.7.5).

use core::num::NonZeroU64;
use core::ops::Range;

use arrayvec::ArrayVec;
use bitflags::bitflags;
use switchboard::dma::{BusAddress, DmaBuffer};
use zerocopy::{Immutable, IntoBytes, KnownLayout};

use super::QueueError;

/// The most segments of a chain: a header, a status, and sixteen segments of data.
pub const MAX_SEGMENTS: usize = 18;

/// One entry of a descriptor table.
#[derive(Debug, Clone, Copy, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct Descriptor {
    address: BusAddress,
    length: u32,
    flags: u16,
    next: u16,
}

bitflags! {
    struct Flags: u16 {
        const NEXT = 1;
        const WRITE = 2;
        const INDIRECT = 4;
    }
}

impl Descriptor {
    /// Returns the descriptor with another successor, or as the last of its chain.
    #[inline]
    pub(super) fn leading_to(mut self, next: Option<u16>) -> Self {
        let flags = Flags::from_bits_retain(self.flags) - Flags::NEXT;
        self.flags = if next.is_some() { flags | Flags::NEXT } else { flags }.bits();
        self.next = next.unwrap_or(0);
        self
    }

    /// Returns a descriptor of an indirect table of `length` bytes (2.7.5.3).
    pub(super) fn indirect(table: BusAddress, length: u32) -> Self {
        Self { address: table, length, flags: Flags::INDIRECT.bits(), next: 0 }
    }
}

/// The owner of the buffers of one request, which a queue keeps while the device has them.
///
/// The queue takes ownership, so that the buffers can be neither accessed nor freed before the device has finished.
///
/// ```
/// use switchboard::dma::DmaBuffer;
/// use switchboard_drivers::virtio::queue::{Chain, QueueParameters, RingFeatures, Segments, SplitQueue};
/// # use switchboard_testing::{FakeFunction, FakeMachine};
/// # let fake = FakeMachine::new([FakeFunction::new(0x1af4, 0x1041)]);
/// # let dma = fake.machine().take_all().remove(0).claim()?.dma;
///
/// /// A header of 16 bytes for the device to read, and a status byte for it to write.
/// struct Command(DmaBuffer);
///
/// impl Chain for Command {
///     fn describe(&self, segments: &mut Segments) {
///         segments.readable(&self.0, 0..16);
///         segments.writable(&self.0, 16..17);
///     }
/// }
///
/// let mut queue = SplitQueue::new(&dma, RingFeatures::empty(), QueueParameters { size: 4, max_segments: 2 })?;
/// assert!(queue.submit(Command(dma.buffer(64)?)).is_ok());
/// assert_eq!((queue.in_flight(), queue.free()), (1, 2));
/// # Ok::<(), switchboard::driver::ProbeError>(())
/// ```
pub trait Chain {
    /// Lists the segments in the order of the chain: those that the device reads, then those that it writes.
    fn describe(&self, segments: &mut Segments);

    /// Returns a key for chains whose segments recur: chains of one queue with equal keys have equal segments. They are not
    /// described again while their indirect table still has them. `None`, the default, is for chains that differ each time.
    #[inline]
    fn key(&self) -> Option<NonZeroU64> {
        None
    }
}

/// A chain of one buffer, all of which the device writes.
impl Chain for DmaBuffer {
    fn describe(&self, segments: &mut Segments) {
        segments.writable(self, 0..self.len());
    }
}

/// The segments of one chain. An error in them is reported when the chain is submitted.
#[derive(Debug, Default)]
pub struct Segments {
    /// Written as in an indirect table, where each has the next as its successor, the last one too.
    list: ArrayVec<Descriptor, MAX_SEGMENTS>,
    /// Bytes that the device may write. The most segments that there can be do not overflow it.
    writable: u64,
    fault: Option<QueueError>,
}

impl Segments {
    /// Adds `range` of `buffer` for the device to read.
    #[inline]
    pub fn readable(&mut self, buffer: &DmaBuffer, range: Range<usize>) {
        if self.writable > 0 {
            self.fault = Some(QueueError::ReadableAfterWritable);
        }
        self.push(buffer, range, Flags::NEXT);
    }

    /// Adds `range` of `buffer` for the device to write.
    #[inline]
    pub fn writable(&mut self, buffer: &DmaBuffer, range: Range<usize>) {
        self.writable += range.len() as u64;
        self.push(buffer, range, Flags::NEXT | Flags::WRITE);
    }

    #[inline]
    fn push(&mut self, buffer: &DmaBuffer, range: Range<usize>, flags: Flags) {
        let is_inside = range.start < range.end && range.end <= buffer.len();
        let (true, Some(address), Ok(length), Ok(index)) =
            (is_inside, buffer.bus_at(range.start), u32::try_from(range.len()), u16::try_from(self.list.len()))
        else {
            return self.set_outside(range, buffer.len());
        };
        let segment = Descriptor { address, length, flags: flags.bits(), next: index + 1 };
        if self.list.try_push(segment).is_err() {
            self.fault = Some(QueueError::TooLong { segments: MAX_SEGMENTS + 1, max_segments: MAX_SEGMENTS });
        }
    }

    #[cold]
    fn set_outside(&mut self, range: Range<usize>, length: usize) {
        self.fault = Some(QueueError::OutsideBuffer { start: range.start, end: range.end, length });
    }

    /// Accepts that the device reports `bytes` more as written than it may write: QEMU's SCSI adapter counts what it has read, too.
    pub(crate) fn accept_excess(&mut self, bytes: usize) {
        self.writable += bytes as u64;
    }

    #[inline]
    pub(super) fn clear(&mut self) {
        self.list.clear();
        self.writable = 0;
        self.fault = None;
    }

    /// Returns the segments and the number of bytes that the device may write, or the first error in them.
    #[inline]
    pub(super) fn checked(&self) -> Result<(&[Descriptor], u32), QueueError> {
        match (self.fault, u32::try_from(self.writable)) {
            (Some(fault), _) => Err(fault),
            (None, _) if self.list.is_empty() => Err(QueueError::Empty),
            (None, Ok(writable)) => Ok((&self.list, writable)),
            (None, Err(_)) => Err(QueueError::TooManyBytes { bytes: self.writable }),
        }
    }
}
