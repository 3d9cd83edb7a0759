//! Sets of free address ranges.

use crate::sort;
use alloc::vec::Vec;
use core::ops::Range;

/// A set of ranges, and the parts of it that are free. Both lists are sorted, and their ranges are disjoint and not empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct FreeRanges {
    all: Vec<Range<u64>>,
    free: Vec<Range<u64>>,
}

impl FreeRanges {
    pub(super) fn new(ranges: &[Range<u64>]) -> Self {
        let mut sorted: Vec<_> = ranges.iter().filter(|range| range.start < range.end).cloned().collect();
        sort::by_key(&mut sorted, |range| range.start);
        let mut free: Vec<Range<u64>> = Vec::new();
        for range in sorted {
            match free.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => free.push(range),
            }
        }
        Self { all: free.clone(), free }
    }

    /// Returns a set of one range, all of it free.
    pub(super) fn of(range: Range<u64>) -> Self {
        Self::new(&[range])
    }

    /// Takes a range, if all of it is free. Returns whether it was.
    pub(super) fn take(&mut self, range: &Range<u64>) -> bool {
        // The last free range that begins no later than `range` does.
        let Some(place) = self.free.partition_point(|free| free.start <= range.start).checked_sub(1) else {
            return false;
        };
        let hole = self.free[place].clone();
        if range.start >= range.end || range.end > hole.end {
            return false;
        }
        let rest = [hole.start..range.start, range.end..hole.end];
        self.free.splice(place..=place, rest.into_iter().filter(|rest| rest.start < rest.end));
        true
    }

    /// Takes the parts of a range that are free.
    pub(super) fn remove(&mut self, range: &Range<u64>) {
        let pieces = core::mem::take(&mut self.free).into_iter().flat_map(|free| {
            let range = range.start.clamp(free.start, free.end)..range.end.clamp(free.start, free.end);
            [free.start..range.start, range.end.max(range.start)..free.end]
        });
        self.free = pieces.filter(|piece| piece.start < piece.end).collect();
    }

    /// Takes the lowest `size` free bytes at a multiple of `align` that end no higher than `ceiling`.
    pub(super) fn place(&mut self, size: u64, align: u64, ceiling: u64) -> Option<Range<u64>> {
        let range = self.free.iter().find_map(|free| {
            let start = free.start.checked_next_multiple_of(align)?;
            let end = start.checked_add(size)?;
            (end <= free.end.min(ceiling)).then_some(start..end)
        })?;
        self.take(&range).then_some(range)
    }

    /// Returns the size of the largest free range below `ceiling`.
    pub(super) fn largest(&self, ceiling: u64) -> u64 {
        self.free.iter().map(|free| free.end.min(ceiling).saturating_sub(free.start)).max().unwrap_or(0)
    }

    /// Frees the parts of a range that belong to the set.
    pub(super) fn give(&mut self, range: &Range<u64>) {
        let back = self.all.iter().map(|all| all.start.max(range.start)..all.end.min(range.end));
        let free: Vec<_> = self.free.iter().cloned().chain(back).collect();
        self.free = Self::new(&free).free;
    }

    /// Returns whether the whole set is free.
    pub(super) fn is_untouched(&self) -> bool {
        self.free == self.all
    }
}
