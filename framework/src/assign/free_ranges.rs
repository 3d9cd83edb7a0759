//! Free addresses.

use crate::sort;
use alloc::vec::Vec;
use core::ops::Range;

/// What of some ranges nobody has. Both lists are sorted, and their ranges apart and not empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct FreeRanges {
    home: Vec<Range<u64>>,
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
        Self { home: free.clone(), free }
    }

    /// All of one range.
    pub(super) fn of(range: Range<u64>) -> Self {
        Self::new(&[range])
    }

    /// Takes a range, if all of it is free.
    pub(super) fn take(&mut self, range: &Range<u64>) -> bool {
        // The last one that begins no later than the range does.
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

    /// Takes whatever of a range is free.
    pub(super) fn remove(&mut self, range: &Range<u64>) {
        let pieces = core::mem::take(&mut self.free).into_iter().flat_map(|free| {
            let range = range.start.clamp(free.start, free.end)..range.end.clamp(free.start, free.end);
            [free.start..range.start, range.end.max(range.start)..free.end]
        });
        self.free = pieces.filter(|piece| piece.start < piece.end).collect();
    }

    /// Takes the lowest place for `size` bytes, at a multiple of `align`, that ends no higher than `ceiling`.
    pub(super) fn place(&mut self, size: u64, align: u64, ceiling: u64) -> Option<Range<u64>> {
        let range = self.free.iter().find_map(|free| {
            let start = free.start.checked_next_multiple_of(align)?;
            let end = start.checked_add(size)?;
            (end <= free.end.min(ceiling)).then_some(start..end)
        })?;
        self.take(&range).then_some(range)
    }

    /// The most bytes in one piece below `ceiling`.
    pub(super) fn largest(&self, ceiling: u64) -> u64 {
        self.free.iter().map(|free| free.end.min(ceiling).saturating_sub(free.start)).max().unwrap_or(0)
    }

    /// Gives back what of a range was free to begin with.
    pub(super) fn give(&mut self, range: &Range<u64>) {
        let back = self.home.iter().map(|home| home.start.max(range.start)..home.end.min(range.end));
        let free: Vec<_> = self.free.iter().cloned().chain(back).collect();
        self.free = Self::new(&free).free;
    }

    /// Whether nobody has taken anything.
    pub(super) fn is_untouched(&self) -> bool {
        self.free == self.home
    }
}
