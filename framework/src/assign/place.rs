//! Placement: assigns free ranges to BARs and windows, from the root buses down.

use crate::sort;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::ops::Range;

use super::demand::{Demands, Item, Owner, WindowPolicy, put};
use super::free_ranges::FreeRanges;
use super::keep::BusRanges;
use super::{AddressSpace, Tree, Unassigned};

/// Assigns a range to every BAR and window that has none, from the free ranges of each bus.
pub(super) fn place(tree: &mut Tree, mut free: Vec<BusRanges>, policy: WindowPolicy) {
    let mut demands = Demands::new(tree, &mut free, policy);
    for bus in 0..=tree.len() {
        mark_not_forwarded(tree, &demands.members()[bus], bus);
        for item in demands.items(tree, bus) {
            let ranges = free[bus].ranges(item.window);
            match item.owner {
                Owner::Bar { node, bar } => {
                    let largest = ranges.largest(item.shape.ceiling);
                    let request = &mut tree.at_mut(node).bars[bar];
                    let no_room = Unassigned::NoRoom { kind: request.kind, size: request.size, largest };
                    let range = ranges.place(item.shape.size, item.shape.align, item.shape.ceiling);
                    request.address = range.map(|range| range.start).ok_or(no_room);
                }
                Owner::Window { node, kind } => {
                    let range = place_window(tree, &mut demands, ranges, &item, node, kind);
                    let Some(bridge) = &mut tree.at_mut(node).bridge else { continue };
                    if let Some(range) = &range {
                        *free[node + 1].ranges(kind) = FreeRanges::of(range.clone());
                    }
                    bridge.window_mut(kind).range = range;
                }
            }
        }
        use_leftovers(tree, &demands.members()[bus], bus, &mut free[bus]);
    }
}

/// Places BARs for which there was no room. Windows are whole granules, so a BAR that was left out to make a window smaller may fit into its
/// remainder, or, if it is prefetchable, into that of the memory window.
fn use_leftovers(tree: &mut Tree, members: &[usize], bus: usize, free: &mut BusRanges) {
    for &node in members {
        for bar in 0..tree.at(node).bars.len() {
            let request = tree.at(node).bars[bar];
            let (size, ceiling) = (request.size, request.ceiling());
            let Err(Unassigned::NoRoom { .. }) = request.address else { continue };
            let other = (request.kind == AddressSpace::Prefetchable).then_some(AddressSpace::Memory);
            let mut windows = tree.route(bus, request.kind, ceiling).into_iter().chain(other);
            if let Some(range) = windows.find_map(|window| free.ranges(window).place(size, size, ceiling)) {
                tree.at_mut(node).bars[bar].address = Ok(range.start);
            }
        }
    }
}

/// Marks the BARs whose kind of addresses the bridge above does not forward.
fn mark_not_forwarded(tree: &mut Tree, members: &[usize], bus: usize) {
    for &node in members {
        for bar in 0..tree.at(node).bars.len() {
            let request = tree.at(node).bars[bar];
            if request.address == Err(Unassigned::Unset) && tree.route(bus, request.kind, request.ceiling()).is_none() {
                tree.at_mut(node).bars[bar].address = Err(Unassigned::NotForwarded { kind: request.kind });
            }
        }
    }
}

/// Places a window. When it is too large, the largest BARs behind it are left out, as few as possible.
fn place_window(
    tree: &mut Tree,
    demands: &mut Demands,
    ranges: &mut FreeRanges,
    item: &Item,
    node: usize,
    kind: AddressSpace,
) -> Option<Range<u64>> {
    let shape = item.shape;
    if let Some(range) = ranges.place(shape.size, shape.align, shape.ceiling) {
        return Some(range);
    }
    let (behind, candidates) = behind(tree, node, kind);
    let largest = ranges.largest(shape.ceiling);
    let mut leave_out = |count: usize| {
        for (index, &(node, bar)) in candidates.iter().enumerate() {
            let request = &mut tree.at_mut(node).bars[bar];
            let no_room = Unassigned::NoRoom { kind: request.kind, size: request.size, largest };
            request.address = Err(if index < count { no_room } else { Unassigned::Unset });
        }
        behind.iter().rev().for_each(|node| demands.update(tree, *node));
        demands.window(node, kind)
    };
    // A binary search: trying each count in turn takes too long with the many BARs of a malicious machine.
    let counts: Vec<usize> = (1..=candidates.len()).collect();
    let fewest =
        counts.partition_point(|count| leave_out(*count).is_some_and(|shape| !put(&mut ranges.clone(), shape)));
    let shape = leave_out(fewest + 1)?;
    ranges.place(shape.size, shape.align, shape.ceiling)
}

/// Returns the bridge `node` with those behind it, and the BARs that need a place in its window of `kind`, largest first.
fn behind(tree: &Tree, node: usize, kind: AddressSpace) -> (Vec<usize>, Vec<(usize, usize)>) {
    let mut nodes = alloc::vec![node];
    // Bridges come before the nodes behind them.
    for other in node + 1..tree.len() {
        if let Some(bridge) = tree.bus_of(other).checked_sub(1)
            && nodes.binary_search(&bridge).is_ok()
        {
            nodes.push(other);
        }
    }
    let mut bars: Vec<(usize, usize)> = nodes[1..]
        .iter()
        .flat_map(|other| (0..tree.at(*other).bars.len()).map(|bar| (*other, bar)))
        .filter(|(other, bar)| {
            let request = &tree.at(*other).bars[*bar];
            request.needs_address() && tree.passes(*other, request, node) == Some(kind)
        })
        .collect();
    sort::by_key(&mut bars, |(other, bar)| Reverse(tree.at(*other).bars[*bar].size));
    (nodes, bars)
}
