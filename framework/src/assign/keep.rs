//! Validation of the addresses that firmware assigned, and the free ranges that they leave.

use crate::sort;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use super::free_ranges::FreeRanges;
use super::{AddressSpace, Apertures, BarRequest, Tree, Unassigned, WindowRequest};

/// The free addresses of one bus.
#[derive(Debug, Clone, Default)]
pub(super) struct BusRanges {
    io: FreeRanges,
    memory: FreeRanges,
    prefetchable: FreeRanges,
    /// Whether this is a root bus, which does not separate prefetchable memory.
    is_root: bool,
}

impl BusRanges {
    pub(super) fn ranges(&mut self, kind: AddressSpace) -> &mut FreeRanges {
        match kind {
            AddressSpace::Io => &mut self.io,
            AddressSpace::Prefetchable if !self.is_root => &mut self.prefetchable,
            AddressSpace::Memory | AddressSpace::Prefetchable => &mut self.memory,
        }
    }

    /// Frees a range of `kind`.
    pub(super) fn give(&mut self, kind: AddressSpace, range: &Range<u64>) {
        match kind {
            AddressSpace::Io => self.io.give(range),
            AddressSpace::Memory | AddressSpace::Prefetchable => {
                self.memory.give(range);
                self.prefetchable.give(range);
            }
        }
    }

    /// Takes a range of `kind`, if it is free. Memory may be in either window of a bridge: firmware does place non-prefetchable BARs in the
    /// prefetchable window where no bridge on the path prefetches.
    fn take(&mut self, kind: AddressSpace, range: &Range<u64>) -> bool {
        match kind {
            AddressSpace::Io => self.io.take(range),
            AddressSpace::Memory => self.memory.take(range) || self.prefetchable.take(range),
            AddressSpace::Prefetchable => self.prefetchable.take(range) || self.memory.take(range),
        }
    }
}

/// Clears every invalid address, and returns the free ranges of each bus: first of the root buses, then behind each node.
pub(super) fn keep(tree: &mut Tree, apertures: &Apertures) -> Vec<BusRanges> {
    let mut free = vec![BusRanges::default(); tree.len() + 1];
    let mut reachable = FreeRanges::of(1..u64::MAX);
    apertures.taken.iter().for_each(|taken| reachable.remove(taken));
    free[0] = BusRanges {
        io: FreeRanges::of(1..WindowRequest::IO_CEILING),
        memory: reachable,
        prefetchable: FreeRanges::default(),
        is_root: true,
    };
    let mut kept = Vec::new();
    let members = tree.members();
    for (bus, members) in members.iter().enumerate() {
        let mut members = members.clone();
        sort::by_key(&mut members, |node| tree.at(*node).state);
        for node in members {
            let ranges = keep_node(tree, node, &mut free, bus);
            if bus == 0 {
                kept.extend(ranges);
            }
        }
    }
    // New BARs and windows go into the machine's apertures, apart from what is kept.
    free[0].io = FreeRanges::new(&apertures.io);
    free[0].memory = FreeRanges::new(&apertures.memory);
    for taken in &apertures.taken {
        free[0].memory.remove(taken);
    }
    for (kind, range) in kept {
        free[0].ranges(kind).remove(&range);
    }
    free
}

/// Validates the addresses of one node, and returns those that are kept.
fn keep_node(tree: &mut Tree, node: usize, free: &mut [BusRanges], bus: usize) -> Vec<(AddressSpace, Range<u64>)> {
    let mut kept = Vec::new();
    let (above, behind) = free.split_at_mut(node + 1);
    let (above, behind) = (&mut above[bus], &mut behind[0]);
    for bar in &mut tree.at_mut(node).bars {
        match valid_range(bar).filter(|range| above.take(bar.kind, range)) {
            Some(range) => kept.push((bar.kind, range)),
            None => bar.address = Err(Unassigned::Unset),
        }
    }
    let Some(bridge) = &mut tree.at_mut(node).bridge else { return kept };
    for kind in AddressSpace::ALL {
        let window = bridge.window_mut(kind);
        let fits = |range: &Range<u64>| range.end <= window.ceiling && above.take(kind, range);
        window.range = window.range.take().filter(fits);
        if let Some(range) = &window.range {
            *behind.ranges(kind) = FreeRanges::of(range.clone());
            kept.push((kind, range.clone()));
        }
    }
    kept
}

/// Returns the range of a BAR, if it is aligned and within reach of its address bits.
fn valid_range(bar: &BarRequest) -> Option<Range<u64>> {
    bar.range().filter(|range| {
        bar.size.is_power_of_two() && range.start.is_multiple_of(bar.size) && range.end <= bar.ceiling()
    })
}
