//! The descriptor table: its free list, and the chains written to it.
//!
//! A device only reads the table. Even so, the free list is kept in memory that the device cannot reach, so that a faulty device
//! cannot corrupt it.

use alloc::boxed::Box;
use core::num::NonZeroU64;

use switchboard::dma::{BusAddress, DmaRegion, DmaShared};

use super::QueueError;
use super::descriptor::Descriptor;

/// The size of a descriptor (2.7.5).
const DESCRIPTOR_BYTES: u32 = 16;
const _: () = assert!(size_of::<Descriptor>() == 16);

/// The chain that a descriptor holds: one of a single segment, or in its indirect table.
#[derive(Debug, Clone, Copy, Default)]
struct HeldChain {
    /// The key of the chain, if it has one.
    key: Option<NonZeroU64>,
    /// The length in the descriptor of the indirect table, in entries; 0 when the descriptor is not one of such a table.
    length: u16,
    /// Bytes that the device may write.
    writable: u32,
}

/// The descriptors, and for chains of several segments an indirect table for each of them.
#[derive(Debug)]
pub(super) struct Table {
    descriptors: DmaShared<Descriptor>,
    /// `max_segments` descriptors for each descriptor of the table. `None` without `INDIRECT_DESC`, or when chains have one segment.
    indirect: Option<DmaShared<Descriptor>>,
    max_segments: u16,
    /// The chain in each descriptor or its indirect table.
    held: Box<[HeldChain]>,
    /// The next descriptor in the free list or in the chain.
    next: Box<[u16]>,
    first_free: u16,
    free: u16,
}

impl Table {
    /// Returns the number of bytes that [`carve`](Self::carve) takes.
    pub(super) fn bytes(size: u16, max_segments: u16, is_indirect: bool) -> usize {
        let tables = if is_indirect { usize::from(max_segments) } else { 0 };
        usize::from(size) * size_of::<Descriptor>() * (1 + tables)
    }

    /// Takes the memory of the table from the front of a region.
    pub(super) fn carve(region: &mut DmaRegion, size: u16, max_segments: u16, is_indirect: bool) -> Option<Self> {
        let descriptors = region.carve(size.into(), 16)?;
        let indirect = match is_indirect {
            true => Some(region.carve(usize::from(size) * usize::from(max_segments), 16)?),
            false => None,
        };
        // The successor of the last one is not used, since `free` is the length of the list.
        let next = (1..=size).collect();
        let held = (0..size).map(|_| HeldChain::default()).collect();
        Some(Self { descriptors, indirect, max_segments, held, next, first_free: 0, free: size })
    }

    pub(super) fn bus(&self) -> BusAddress {
        self.descriptors.bus()
    }

    pub(super) fn free(&self) -> u16 {
        self.free
    }

    /// Returns how many chains of the most segments fit at once.
    pub(super) fn max_chains(&self) -> u16 {
        let each = if self.indirect.is_some() { 1 } else { self.max_segments };
        u16::try_from(self.next.len()).unwrap_or(u16::MAX) / each
    }

    /// Takes the first free descriptor if it, or its indirect table, still holds the chain of `key`. Returns the descriptor, and
    /// the number of bytes that the device may write.
    #[inline]
    pub(super) fn reuse(&mut self, key: NonZeroU64) -> Option<(u16, u32)> {
        let head = self.first_free;
        let chain = self.held.get(usize::from(head)).filter(|chain| chain.key == Some(key))?;
        if self.free == 0 {
            return None;
        }
        self.first_free = self.next[usize::from(head)];
        self.free -= 1;
        Some((head, chain.writable))
    }

    /// Writes a chain, of which the device may write `writable` bytes. Returns its first descriptor, and how many descriptors of
    /// the table it takes.
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
                // A descriptor always has the same indirect table, so it is written only when the length changes.
                if self.held[usize::from(head)].length != count {
                    let table = tables.bus_of(start);
                    let bytes = u32::from(count) * DESCRIPTOR_BYTES;
                    self.descriptors.write(head.into(), Descriptor::indirect(table, bytes));
                }
                self.held[usize::from(head)] = HeldChain { key, length: count, writable };
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
                    self.held[usize::from(at)] = HeldChain::default();
                    at = next;
                }
                self.descriptors.write(at.into(), last.leading_to(None));
                // A chain of several descriptors is not held: those behind the first may be used otherwise.
                let key = key.filter(|_| count == 1);
                self.held[usize::from(at)] = HeldChain { key, length: 0, writable };
                self.first_free = self.next[usize::from(at)];
                self.free -= count;
                Ok((head, count))
            }
        }
    }

    /// Frees the `count` descriptors of the chain whose first one is `head`.
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
