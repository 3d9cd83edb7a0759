//! Descriptors as the device reads them, and chains as a driver builds them (virtio 1.2, 2.7.5).

use core::ops::Range;

use arrayvec::ArrayVec;
use bitflags::bitflags;
use switchboard::dma::{BusAddress, DmaBuffer};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::QueueError;

/// The most segments in a chain: a header, a status, and sixteen pieces of data.
pub const LONGEST_CHAIN: usize = 18;

/// One entry of a descriptor table. Little-endian, as is the only machine here.
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct Descriptor {
    pub(super) address: u64,
    pub(super) length: u32,
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
    /// Describes `segment`; `next` is the descriptor that goes on from there.
    pub(super) fn of(segment: &Segment, next: Option<u16>) -> Self {
        let mut flags = Flags::empty();
        flags.set(Flags::WRITE, segment.is_writable);
        flags.set(Flags::NEXT, next.is_some());
        let address = segment.address.get();
        Self { address, length: segment.length, flags: flags.bits(), next: next.unwrap_or(0) }
    }

    /// Points at a table of `length` bytes that holds the chain (2.7.5.3).
    pub(super) fn indirect(table: BusAddress, length: u32) -> Self {
        Self { address: table.get(), length, flags: Flags::INDIRECT.bits(), next: 0 }
    }
}

/// A stretch of a buffer, and whether the device may write it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment {
    address: BusAddress,
    pub(super) length: u32,
    is_writable: bool,
}

/// What a queue holds while the device has it: the owner of some buffers, which says what they are.
///
/// The queue takes the value whole, so the buffers cannot be touched or freed before the device is done.
pub trait Chain {
    /// Lists the buffers in the order in which the device is to see them: what it reads, then what it writes.
    fn describe(&self, segments: &mut Segments);
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
    list: ArrayVec<Segment, LONGEST_CHAIN>,
    writable: u32,
    fault: Option<QueueError>,
}

impl Segments {
    /// The device reads `range` of `buffer`.
    pub fn readable(&mut self, buffer: &DmaBuffer, range: Range<usize>) {
        if self.writable > 0 {
            self.fault = Some(QueueError::ReadableAfterWritable);
        }
        self.push(buffer, range, false);
    }

    /// The device writes `range` of `buffer`.
    pub fn writable(&mut self, buffer: &DmaBuffer, range: Range<usize>) {
        self.push(buffer, range, true);
    }

    fn push(&mut self, buffer: &DmaBuffer, range: Range<usize>, is_writable: bool) {
        let outside = QueueError::OutsideBuffer { start: range.start, end: range.end, length: buffer.len() };
        let is_inside = range.start < range.end && range.end <= buffer.len();
        let (true, Ok(length)) = (is_inside, u32::try_from(range.len())) else {
            self.fault = Some(outside);
            return;
        };
        let address = buffer.bus().offset(range.start as u64);
        if self.list.try_push(Segment { address, length, is_writable }).is_err() {
            self.fault = Some(QueueError::TooLong { segments: LONGEST_CHAIN + 1, most: LONGEST_CHAIN });
        }
        if is_writable {
            match self.writable.checked_add(length) {
                Some(sum) => self.writable = sum,
                None => self.fault = Some(outside),
            }
        }
    }

    pub(super) fn clear(&mut self) {
        self.list.clear();
        self.writable = 0;
        self.fault = None;
    }

    /// The segments and the bytes that the device may write in all, if they make a chain.
    pub(super) fn checked(&self) -> Result<(&[Segment], u32), QueueError> {
        match self.fault {
            Some(fault) => Err(fault),
            None if self.list.is_empty() => Err(QueueError::Empty),
            None => Ok((&self.list, self.writable)),
        }
    }
}
