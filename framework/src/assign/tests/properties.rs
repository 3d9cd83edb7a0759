//! Properties of the assignment for any tree.

use alloc::vec::Vec;
use core::ops::Range;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::super::invariants::check;
use super::super::{AddressSpace, AddressState, BarRequest, Bridge, Node, NodeId, Tree, Unassigned, WindowRequest};
use super::{GIB, HIGH, LOW, apertures};

/// Generates addresses, most of them where collisions are likely or nothing may be placed.
fn address() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => LOW,
        2 => HIGH,
        1 => 0..4 * GIB,
        2 => 0x1000..0x3000_u64,
        1 => any::<u64>(),
    ]
}

fn request(largest: u32) -> impl Strategy<Value = BarRequest> {
    let kind = prop_oneof![Just(AddressSpace::Io), Just(AddressSpace::Memory), Just(AddressSpace::Prefetchable)];
    (kind, any::<bool>(), 0..=largest, option::of(address())).prop_map(|(kind, is_64bit, order, address)| {
        let size = if kind == AddressSpace::Io { 4 << (order % 7) } else { 16 << order };
        // Mostly aligned: addresses that are not aligned are dropped at once.
        let address = address.map(|address| if address % 16 == 3 { address } else { address / size * size });
        BarRequest { kind, is_64bit, size, address: address.ok_or(Unassigned::Unset) }
    })
}

fn window(ceilings: &'static [u64], granule: u64) -> impl Strategy<Value = WindowRequest> {
    (0..ceilings.len(), option::of((address(), 1..64_u64))).prop_map(move |(ceiling, range)| {
        let range = range.map(|(start, length)| {
            let start = start.min(1 << 46) / granule * granule;
            start..start + length * granule
        });
        WindowRequest { ceiling: ceilings[ceiling], range: range.filter(|_| ceilings[ceiling] != 0) }
    })
}

fn bridge() -> impl Strategy<Value = Bridge> {
    let io = window(&[0, WindowRequest::IO_CEILING], 0x1000);
    let memory = window(&[WindowRequest::LOW_CEILING], 1 << 20);
    let prefetchable = window(&[0, WindowRequest::LOW_CEILING, u64::MAX], 1 << 20);
    (io, memory, prefetchable, any::<bool>()).prop_map(|(io, memory, prefetchable, takes_hotplug)| Bridge {
        io,
        memory,
        prefetchable,
        takes_hotplug,
    })
}

fn node(largest: u32) -> impl Strategy<Value = Node> {
    let state = prop_oneof![Just(AddressState::Decoding), Just(AddressState::Inactive)];
    (vec(request(largest), 0..6), option::weighted(0.4, bridge()), state).prop_map(|(bars, bridge, state)| Node {
        bars,
        bridge,
        state,
    })
}

/// Generates nodes, each behind one of the bridges before it or on a root bus.
fn tree(largest: u32) -> impl Strategy<Value = Tree> {
    vec((any::<usize>(), node(largest)), 0..24).prop_map(|nodes| {
        let mut tree = Tree::new();
        for (parent, node) in nodes {
            tree.add(pick(&tree, parent), node);
        }
        tree
    })
}

/// Returns a bridge of the tree, or `None` for its root.
fn pick(tree: &Tree, choice: usize) -> Option<NodeId> {
    let bridges: Vec<_> = tree.iter().filter(|(_, _, node)| node.bridge.is_some()).map(|(id, ..)| id).collect();
    bridges.get(choice % (bridges.len() + 1)).copied()
}

fn is_behind(tree: &Tree, node: NodeId, bridge: NodeId) -> bool {
    let parent = tree.iter().find(|(id, ..)| *id == node).and_then(|(_, parent, _)| parent);
    parent.is_some_and(|parent| parent == bridge || is_behind(tree, parent, bridge))
}

/// Returns the same tree without addresses.
fn bare(tree: &Tree) -> Tree {
    let mut bare = Tree::new();
    for (_, parent, node) in tree.iter() {
        let mut node = node.clone();
        node.bars.iter_mut().for_each(|bar| bar.address = Err(Unassigned::Unset));
        if let Some(bridge) = &mut node.bridge {
            AddressSpace::ALL.into_iter().for_each(|kind| bridge.window_mut(kind).range = None);
        }
        bare.add(parent, node);
    }
    bare
}

proptest! {
    /// Ranges are disjoint, aligned, and in the windows above, for any firmware and any demand.
    #[test]
    fn the_invariants_hold(mut tree in tree(40)) {
        tree.assign(&apertures());
        check(&tree, &apertures());
    }

    #[test]
    fn the_same_tree_gets_the_same_assignment(tree in tree(30)) {
        let (mut first, mut second) = (tree.clone(), tree);
        prop_assert_eq!(first.assign(&apertures()), second.assign(&apertures()));
        prop_assert_eq!(first, second);
    }

    #[test]
    fn every_bar_has_an_address_or_a_failure(mut tree in tree(40)) {
        let failures = tree.assign(&apertures());
        for (id, _, node) in tree.iter() {
            for (index, bar) in node.bars.iter().enumerate() {
                let failure = failures.iter().find(|failure| failure.node == id && failure.bar == index);
                prop_assert_eq!(failure.map(|failure| failure.reason), bar.address.err());
                prop_assert!(bar.address != Err(Unassigned::Unset));
            }
        }
    }

    /// Valid addresses are kept, also when a function is added.
    #[test]
    fn valid_addresses_are_kept(mut tree in tree(26), choice in any::<usize>(), new in node(22)) {
        tree.assign(&apertures());
        let before = tree.clone();
        tree.add(pick(&before, choice), new);
        tree.assign(&apertures());
        check(&tree, &apertures());
        for (id, _, node) in before.iter() {
            let now = tree.node(id).expect("nodes stay");
            for (bar, was) in now.bars.iter().zip(&node.bars).filter(|(_, was)| was.address.is_ok()) {
                prop_assert_eq!(bar, was);
            }
            // An empty window may move; one with a BAR in it, on any level below, does not.
            let is_used = |range: &Range<u64>, io: bool| {
                let behind = before.iter().filter(|(other, ..)| is_behind(&before, *other, id));
                behind.flat_map(|(_, _, other)| &other.bars).any(|bar| {
                    let inside = |bar: Range<u64>| range.start <= bar.start && bar.end <= range.end;
                    (bar.kind == AddressSpace::Io) == io && bar.range().is_some_and(inside)
                })
            };
            for kind in AddressSpace::ALL {
                let was = node.bridge.as_ref().and_then(|bridge| bridge.window(kind).range.clone());
                if let Some(was) = was.filter(|range| is_used(range, kind == AddressSpace::Io)) {
                    let now = now.bridge.as_ref().and_then(|bridge| bridge.window(kind).range.clone());
                    prop_assert_eq!(now, Some(was));
                }
            }
        }
    }

    /// On one bus, sizes that are powers of two are packed without loss: a BAR fails only when it cannot fit.
    #[test]
    fn a_root_bus_is_packed_without_loss(orders in vec(20..29_u32, 1..40)) {
        let bars: Vec<_> = orders.iter().map(|order| super::bar(AddressSpace::Memory, false, 1 << order)).collect();
        let wanted: u64 = bars.iter().map(|bar| bar.size).sum();
        let mut tree = Tree::new();
        tree.add(None, super::function(&bars));
        let failures = tree.assign(&apertures());
        prop_assert_eq!(failures.is_empty(), wanted <= LOW.end - LOW.start, "{:#x} bytes", wanted);
    }

    /// Behind bridges windows are rounded up, but a demand of a quarter of the space never fails.
    #[test]
    fn a_quarter_always_fits(tree in tree(20)) {
        let mut tree = bare(&tree);
        // A window may have to begin at a multiple of the largest BAR in it, and ends at one of 1 MiB.
        let wanted: u64 = tree.iter().map(|(_, _, node)| {
            let windows = if node.bridge.is_some() { 8 << 20 } else { 0 };
            let bars = node.bars.iter().filter(|bar| bar.kind != AddressSpace::Io);
            bars.map(|bar| bar.size).sum::<u64>() + windows
        }).sum();
        let is_small = wanted <= (LOW.end - LOW.start) / 4;
        let failures = tree.assign(&apertures());
        let has_room = |failure: &super::super::Failure| match failure.reason {
            Unassigned::NoRoom { kind, .. } => kind != AddressSpace::Io,
            _ => false,
        };
        prop_assert!(!is_small || !failures.iter().any(has_room), "{:?}", failures);
    }
}
