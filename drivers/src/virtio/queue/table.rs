//! The descriptor table: which descriptors are free, and how a chain is written into them.
//!
//! The device only reads the table; even so, which descriptor follows which is kept in memory of our own, so
//! that nothing a device scribbles can bend the free list.

use alloc::boxed::Box;
use core::num::NonZeroU64;

use switchboard::dma::{BusAddress, DmaRegion, DmaShared};

use super::QueueError;
use super::descriptor::Descriptor;

/// Bytes of a descriptor (2.7.5).
const DESCRIPTOR_BYTES: u32 = 16;
const _: () = assert!(size_of::<Descriptor>() == 16);

/// What an indirect table holds, and its descriptor points at.
#[derive(Debug, Clone, Copy, Default)]
struct Content {
    /// The chain's key, if it has one.
    key: Option<NonZeroU64>,
    /// Entries that the descriptor says it has; 0 where it does not point there.
    length: u16,
    /// Bytes that the device may write.
    writable: u32,
}

/// Descriptors, and for chains of several segments one indirect table for each descriptor.
#[derive(Debug)]
pub(super) struct Table {
    descriptors: DmaShared<Descriptor>,
    /// `max_segments` descriptors for each of the table's; absent without `INDIRECT_DESC` or where chains are short.
    indirect: Option<DmaShared<Descriptor>>,
    max_segments: u16,
    /// What is in each indirect table.
    contents: Box<[Content]>,
    /// For a free descriptor the next free one; for one in a chain the next of the chain.
    next: Box<[u16]>,
    first_free: u16,
    free: u16,
}

impl Table {
    /// Bytes that [`carve`](Self::carve) takes.
    pub(super) fn bytes(size: u16, max_segments: u16, is_indirect: bool) -> usize {
        let tables = if is_indirect { usize::from(max_segments) } else { 0 };
        usize::from(size) * size_of::<Descriptor>() * (1 + tables)
    }

    /// Takes the front of a region.
    pub(super) fn carve(region: &mut DmaRegion, size: u16, max_segments: u16, is_indirect: bool) -> Option<Self> {
        let descriptors = region.carve(size.into(), 16)?;
        let indirect = match is_indirect {
            true => Some(region.carve(usize::from(size) * usize::from(max_segments), 16)?),
            false => None,
        };
        // The last one leads nowhere; `free` says when the list is at its end.
        let next = (1..=size).collect();
        let contents = (0..size).map(|_| Content::default()).collect();
        Some(Self { descriptors, indirect, max_segments, contents, next, first_free: 0, free: size })
    }

    pub(super) fn bus(&self) -> BusAddress {
        self.descriptors.bus()
    }

    pub(super) fn free(&self) -> u16 {
        self.free
    }

    /// Chains of the max_segments kind that fit at once.
    pub(super) fn max_chains(&self) -> u16 {
        let each = if self.indirect.is_some() { 1 } else { self.max_segments };
        u16::try_from(self.next.len()).unwrap_or(u16::MAX) / each
    }

    /// Takes the table that is next, if a chain with that key is in it; returns its descriptor, and the bytes that the device
    /// may write.
    #[inline]
    pub(super) fn reuse(&mut self, key: NonZeroU64) -> Option<(u16, u32)> {
        let head = self.first_free;
        let content = self.contents.get(usize::from(head)).filter(|content| content.key == Some(key))?;
        if self.free == 0 {
            return None;
        }
        self.first_free = self.next[usize::from(head)];
        self.free -= 1;
        Some((head, content.writable))
    }

    /// Writes a chain with that key, in which the device may write so many bytes; returns its first descriptor and how many
    /// of the table it takes.
    #[inline]
    pub(super) fn write(
        &mut self,
        segments: &[Descriptor],
        writable: u32,
        key: Option<NonZeroU64>,
    ) -> Result<(u16, u16), QueueError> {
        let wanted = segments.len();
        let too_long = QueueError::TooLong { segments: wanted, max_segments: self.max_segments.into() };
        let count = u16::try_from(wanted).ok().filter(|count| *count <= self.max_segments).ok_or(too_long)?;
        let (last, others) = segments.split_last().ok_or(QueueError::Empty)?;
        match &mut self.indirect {
            Some(tables) if count > 1 => {
                let head = self.first_free;
                if self.free == 0 {
                    return Err(QueueError::Full { wanted: 1, free: 0 });
                }
                let start = usize::from(head) * usize::from(self.max_segments);
                for (index, segment) in others.iter().enumerate() {
                    tables.write(start + index, *segment);
                }
                tables.write(start + others.len(), last.leading_to(None));
                // Each descriptor has the same table always, so most of the time it says all that it should.
                if self.contents[usize::from(head)].length != count {
                    let table = tables.bus_of(start);
                    let bytes = u32::from(count) * DESCRIPTOR_BYTES;
                    self.descriptors.write(head.into(), Descriptor::indirect(table, bytes));
                }
                self.contents[usize::from(head)] = Content { key, length: count, writable };
                self.first_free = self.next[usize::from(head)];
                self.free -= 1;
                Ok((head, 1))
            }
            _ if count > self.free => Err(QueueError::Full { wanted: count, free: self.free }),
            _ => {
                let head = self.first_free;
                let mut at = head;
                for segment in others {
                    let next = self.next[usize::from(at)];
                    self.descriptors.write(at.into(), segment.leading_to(Some(next)));
                    self.contents[usize::from(at)] = Content::default();
                    at = next;
                }
                self.descriptors.write(at.into(), last.leading_to(None));
                self.contents[usize::from(at)] = Content::default();
                self.first_free = self.next[usize::from(at)];
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
