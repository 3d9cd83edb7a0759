//! Giving out addresses: from the root buses down.

use crate::sort;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::ops::Range;

use super::demand::{Demands, Item, Owner, put};
use super::free_ranges::FreeRanges;
use super::keep::BusRanges;
use super::{AddressSpace, Tree, Unassigned};

/// Gives an address to everything that has none, from what is free on each bus.
pub(super) fn place(tree: &mut Tree, mut rooms: Vec<BusRanges>, spare: bool) {
    let mut demands = Demands::new(tree, &mut rooms, spare);
    for bus in 0..=tree.len() {
        refuse_what_is_not_forwarded(tree, &demands.members()[bus], bus);
        for item in demands.items(tree, bus) {
            let room = rooms[bus].room(item.room);
            match item.owner {
                Owner::Bar { node, bar } => {
                    let largest = room.largest(item.shape.ceiling);
                    let request = &mut tree.at_mut(node).bars[bar];
                    let no_room = Unassigned::NoRoom { kind: request.kind, size: request.size, largest };
                    let range = room.place(item.shape.size, item.shape.align, item.shape.ceiling);
                    request.address = range.map(|range| range.start).ok_or(no_room);
                }
                Owner::Window { node, kind } => {
                    let range = place_window(tree, &mut demands, room, &item, node, kind);
                    let Some(bridge) = &mut tree.at_mut(node).bridge else { continue };
                    if let Some(range) = &range {
                        *rooms[node + 1].room(kind) = FreeRanges::of(range.clone());
                    }
                    bridge.window_mut(kind).range = range;
                }
            }
        }
        try_again(tree, &demands.members()[bus], bus, &mut rooms[bus]);
    }
}

/// Windows are whole granules: BARs that were left out for a window's sake may fit into what the others left of it, or
/// of the window for memory that must not be read ahead.
fn try_again(tree: &mut Tree, members: &[usize], bus: usize, rooms: &mut BusRanges) {
    for &node in members {
        for bar in 0..tree.at(node).bars.len() {
            let request = tree.at(node).bars[bar];
            let (size, ceiling) = (request.size, request.ceiling());
            let Err(Unassigned::NoRoom { .. }) = request.address else { continue };
            let other = (request.kind == AddressSpace::Prefetchable).then_some(AddressSpace::Memory);
            let mut windows = tree.route(bus, request.kind, ceiling).into_iter().chain(other);
            if let Some(range) = windows.find_map(|window| rooms.room(window).place(size, size, ceiling)) {
                tree.at_mut(node).bars[bar].address = Ok(range.start);
            }
        }
    }
}

fn refuse_what_is_not_forwarded(tree: &mut Tree, members: &[usize], bus: usize) {
    for &node in members {
        for bar in 0..tree.at(node).bars.len() {
            let request = tree.at(node).bars[bar];
            if request.address == Err(Unassigned::Unset) && tree.route(bus, request.kind, request.ceiling()).is_none() {
                tree.at_mut(node).bars[bar].address = Err(Unassigned::NotForwarded { kind: request.kind });
            }
        }
    }
}

/// Places a window. When it is too large, the largest BARs behind it are left out, as few as will do.
fn place_window(
    tree: &mut Tree,
    demands: &mut Demands,
    room: &mut FreeRanges,
    item: &Item,
    node: usize,
    kind: AddressSpace,
) -> Option<Range<u64>> {
    let shape = item.shape;
    if let Some(range) = room.place(shape.size, shape.align, shape.ceiling) {
        return Some(range);
    }
    let (behind, victims) = behind(tree, node, kind);
    let largest = room.largest(shape.ceiling);
    let mut leave_out = |count: usize| {
        for (index, &(node, bar)) in victims.iter().enumerate() {
            let request = &mut tree.at_mut(node).bars[bar];
            let no_room = Unassigned::NoRoom { kind: request.kind, size: request.size, largest };
            request.address = Err(if index < count { no_room } else { Unassigned::Unset });
        }
        behind.iter().rev().for_each(|node| demands.update(tree, *node));
        demands.window(node, kind)
    };
    // Fewest first would take as long as there are BARs, and a hostile machine has many.
    let counts: Vec<usize> = (1..=victims.len()).collect();
    let fewest = counts.partition_point(|count| leave_out(*count).is_some_and(|shape| !put(&mut room.clone(), shape)));
    let shape = leave_out(fewest + 1)?;
    room.place(shape.size, shape.align, shape.ceiling)
}

/// The bridge `node` and those behind it, and the BARs that want to be in its window of `kind`, largest first.
fn behind(tree: &Tree, node: usize, kind: AddressSpace) -> (Vec<usize>, Vec<(usize, usize)>) {
    let mut nodes = alloc::vec![node];
    // Bridges come before what is behind them.
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
            request.wants_address() && tree.passes(*other, request, node) == Some(kind)
        })
        .collect();
    sort::by_key(&mut bars, |(other, bar)| Reverse(tree.at(*other).bars[*bar].size));
    (nodes, bars)
}
