//! The descriptor table: which descriptors are free, and how a chain is written into them.
//!
//! The device only reads the table; even so, which descriptor follows which is kept in memory of our own, so
//! that nothing a device scribbles can bend the free list.

use alloc::boxed::Box;

use switchboard::dma::{BusAddress, DmaRegion, DmaShared};

use super::QueueError;
use super::descriptor::{Descriptor, Segment};

/// Bytes of a descriptor (2.7.5).
const DESCRIPTOR_BYTES: u32 = 16;
const _: () = assert!(size_of::<Descriptor>() == 16);

/// Descriptors, and for chains of several segments one indirect table for each descriptor.
#[derive(Debug)]
pub(super) struct Table {
    descriptors: DmaShared<Descriptor>,
    /// `longest` descriptors for each of the table's; absent without `INDIRECT_DESC` or where chains are short.
    indirect: Option<DmaShared<Descriptor>>,
    longest: u16,
    /// For each descriptor that points at its indirect table, of how many entries it says that is; 0 for others.
    lengths: Box<[u16]>,
    /// For a free descriptor the next free one; for one in a chain the next of the chain.
    next: Box<[u16]>,
    first_free: u16,
    free: u16,
}

impl Table {
    /// Bytes that [`carve`](Self::carve) takes.
    pub(super) fn bytes(size: u16, longest: u16, is_indirect: bool) -> usize {
        let tables = if is_indirect { usize::from(longest) } else { 0 };
        usize::from(size) * size_of::<Descriptor>() * (1 + tables)
    }

    /// Takes the front of a region.
    pub(super) fn carve(region: &mut DmaRegion, size: u16, longest: u16, is_indirect: bool) -> Option<Self> {
        let descriptors = region.carve(size.into(), 16)?;
        let indirect = match is_indirect {
            true => Some(region.carve(usize::from(size) * usize::from(longest), 16)?),
            false => None,
        };
        // The last one leads nowhere; `free` says when the list is at its end.
        let next = (1..=size).collect();
        let lengths = (0..size).map(|_| 0).collect();
        Some(Self { descriptors, indirect, longest, lengths, next, first_free: 0, free: size })
    }

    pub(super) fn bus(&self) -> BusAddress {
        self.descriptors.bus()
    }

    pub(super) fn free(&self) -> u16 {
        self.free
    }

    /// Chains of the longest kind that fit at once.
    pub(super) fn most_chains(&self) -> u16 {
        let each = if self.indirect.is_some() { 1 } else { self.longest };
        u16::try_from(self.next.len()).unwrap_or(u16::MAX) / each
    }

    /// Writes a chain; returns its first descriptor and how many of the table it takes.
    pub(super) fn write(&mut self, segments: &[Segment]) -> Result<(u16, u16), QueueError> {
        let wanted = segments.len();
        let too_long = QueueError::TooLong { segments: wanted, most: self.longest.into() };
        let count = u16::try_from(wanted).ok().filter(|count| *count <= self.longest).ok_or(too_long)?;
        match &mut self.indirect {
            Some(tables) if count > 1 => {
                let head = self.first_free;
                if self.free == 0 {
                    return Err(QueueError::Full { wanted: 1, free: 0 });
                }
                let start = usize::from(head) * usize::from(self.longest);
                for (index, segment) in (0..count).zip(segments) {
                    let next = (index + 1 < count).then_some(index + 1);
                    tables.write(start + usize::from(index), Descriptor::of(segment, next));
                }
                // Each descriptor has the same table always, so most of the time it says all that it should.
                if self.lengths[usize::from(head)] != count {
                    let table = tables.bus().offset((start * size_of::<Descriptor>()) as u64);
                    let bytes = u32::from(count) * DESCRIPTOR_BYTES;
                    self.descriptors.write(head.into(), Descriptor::indirect(table, bytes));
                    self.lengths[usize::from(head)] = count;
                }
                self.first_free = self.next[usize::from(head)];
                self.free -= 1;
                Ok((head, 1))
            }
            _ if count > self.free => Err(QueueError::Full { wanted: count, free: self.free }),
            _ => {
                let head = self.first_free;
                let mut at = head;
                for (index, segment) in (0..count).zip(segments) {
                    let next = self.next[usize::from(at)];
                    let link = (index + 1 < count).then_some(next);
                    self.descriptors.write(at.into(), Descriptor::of(segment, link));
                    self.lengths[usize::from(at)] = 0;
                    at = next;
                }
                self.first_free = at;
                self.free -= count;
                Ok((head, count))
            }
        }
    }

    /// Gives back the `count` descriptors of the chain that began at `head`.
    pub(super) fn release(&mut self, head: u16, count: u16) {
        let mut last = head;
        for _ in 1..count {
            last = self.next[usize::from(last)];
        }
        self.next[usize::from(last)] = self.first_free;
        self.first_free = head;
        self.free += count;
    }
}
