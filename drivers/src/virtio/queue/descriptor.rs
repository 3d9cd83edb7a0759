//! Descriptors as the device reads them, and chains as a driver builds them (virtio 1.2, 2.7.5).

use core::num::NonZeroU64;
use core::ops::Range;

use arrayvec::ArrayVec;
use bitflags::bitflags;
use switchboard::dma::{BusAddress, DmaBuffer};
use zerocopy::{Immutable, IntoBytes, KnownLayout};

use super::QueueError;

/// The most segments in a chain: a header, a status, and sixteen segments of data.
pub const MAX_SEGMENTS: usize = 18;

/// One entry of a descriptor table. Little-endian, as is the only machine here.
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
    /// The same; the chain goes on from `next`, or ends here.
    #[inline]
    pub(super) fn leading_to(mut self, next: Option<u16>) -> Self {
        let flags = Flags::from_bits_retain(self.flags) - Flags::NEXT;
        self.flags = if next.is_some() { flags | Flags::NEXT } else { flags }.bits();
        self.next = next.unwrap_or(0);
        self
    }

    /// Points at a table of `length` bytes that holds the chain (2.7.5.3).
    pub(super) fn indirect(table: BusAddress, length: u32) -> Self {
        Self { address: table, length, flags: Flags::INDIRECT.bits(), next: 0 }
    }
}

/// What a queue holds while the device has it: the owner of some buffers, which says what they are.
///
/// The queue takes the value whole, so the buffers cannot be touched or freed before the device is done.
pub trait Chain {
    /// Lists the buffers in the order in which the device is to see them: what it reads, then what it writes.
    fn describe(&self, segments: &mut Segments);

    /// Stands for the segments, where they come again and again: chains of one queue with the same key have the same
    /// segments. They are not described again where they are still written down.
    #[inline]
    fn key(&self) -> Option<NonZeroU64> {
        None
    }
}

/// A chain of one buffer, all of it for the device to write.
impl Chain for DmaBuffer {
    fn describe(&self, segments: &mut Segments) {
        segments.writable(self, 0..self.len());
    }
}

/// The segments of one chain. What is wrong with them is reported when they are submitted.
#[derive(Debug, Default)]
pub struct Segments {
    /// As in a table of their own, where each leads to the next; the last one does, too.
    list: ArrayVec<Descriptor, MAX_SEGMENTS>,
    /// Bytes that the device may write. As many segments as there can be do not overflow this.
    writable: u64,
    fault: Option<QueueError>,
}

impl Segments {
    /// The device reads `range` of `buffer`.
    #[inline]
    pub fn readable(&mut self, buffer: &DmaBuffer, range: Range<usize>) {
        if self.writable > 0 {
            self.fault = Some(QueueError::ReadableAfterWritable);
        }
        self.push(buffer, range, Flags::NEXT);
    }

    /// The device writes `range` of `buffer`.
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
            return self.is_outside(range, buffer.len());
        };
        let segment = Descriptor { address, length, flags: flags.bits(), next: index + 1 };
        if self.list.try_push(segment).is_err() {
            self.fault = Some(QueueError::TooLong { segments: MAX_SEGMENTS + 1, max_segments: MAX_SEGMENTS });
        }
    }

    #[cold]
    fn is_outside(&mut self, range: Range<usize>, length: usize) {
        self.fault = Some(QueueError::OutsideBuffer { start: range.start, end: range.end, length });
    }

    #[inline]
    pub(super) fn clear(&mut self) {
        self.list.clear();
        self.writable = 0;
        self.fault = None;
    }

    /// The segments and the bytes that the device may write in all, if they make a chain.
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
