//! The invariants of an assignment, which tests and fuzzers check.

use alloc::vec::Vec;
use core::ops::Range;

use super::{AddressSpace, Apertures, Node, NodeId, Tree, WindowRequest};

fn overlap(a: &Range<u64>, b: &Range<u64>) -> bool {
    a.start < b.end && b.start < a.end
}

fn contains(outer: &Range<u64>, inner: &Range<u64>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

/// Returns the ranges that a node decodes on its bus.
fn decoded(node: &Node) -> Vec<(AddressSpace, Range<u64>)> {
    let bars = node.bars.iter().filter_map(|bar| Some((bar.kind, bar.range()?)));
    let windows = node.bridge.iter().flat_map(|bridge| {
        AddressSpace::ALL.into_iter().filter_map(|kind| Some((kind, bridge.window(kind).range.clone()?)))
    });
    bars.chain(windows).collect()
}

/// Checks every BAR and window with an address: it is aligned, forwarded by every bridge above, and overlaps
/// nothing else on its bus.
///
/// # Panics
/// When one of them is violated.
pub fn check(tree: &Tree, apertures: &Apertures) {
    for (id, parent, node) in tree.iter() {
        for bar in node.bars.iter().filter(|bar| bar.address.is_ok()) {
            let range = bar.range().expect("a BAR does not wrap");
            assert!(range.start.is_multiple_of(bar.size), "{id:?}: {bar:x?} is not aligned");
            assert!(
                bar.is_64bit || bar.kind == AddressSpace::Io || range.end <= 1 << 32,
                "{id:?}: {bar:x?} is too high"
            );
        }
        if let Some(bridge) = &node.bridge {
            check_windows(id, bridge.window(AddressSpace::Io), 0x1000);
            check_windows(id, bridge.window(AddressSpace::Memory), 1 << 20);
            check_windows(id, bridge.window(AddressSpace::Prefetchable), 1 << 20);
        }
        for (kind, range) in decoded(node) {
            let is_forwarded = match parent.and_then(|parent| tree.node(parent)) {
                Some(parent) => is_forwarded(parent, kind, &range),
                None if kind == AddressSpace::Io => range.end <= 0x1_0000,
                None => !apertures.taken.iter().any(|taken| overlap(taken, &range)),
            };
            assert!(is_forwarded, "{id:?}: {range:x?} of {} is not forwarded", kind.name());
        }
    }
    check_siblings(tree);
}

fn check_windows(id: NodeId, window: &WindowRequest, granule: u64) {
    if let Some(range) = &window.range {
        assert!(range.start < range.end && range.end <= window.ceiling, "{id:?}: {window:x?}");
        assert!(range.start.is_multiple_of(granule) && range.end.is_multiple_of(granule), "{id:?}: {window:x?}");
    }
}

fn is_forwarded(parent: &Node, kind: AddressSpace, range: &Range<u64>) -> bool {
    let bridge = parent.bridge.as_ref().expect("a parent is a bridge");
    let through = |kind| bridge.window(kind).range.as_ref().is_some_and(|window| contains(window, range));
    through(kind) || kind != AddressSpace::Io && (through(AddressSpace::Memory) || through(AddressSpace::Prefetchable))
}

/// Checks that no two ranges on one bus overlap, windows of bridges included.
fn check_siblings(tree: &Tree) {
    let all: Vec<_> = tree
        .iter()
        .flat_map(|(id, parent, node)| decoded(node).into_iter().map(move |(kind, range)| (id, parent, kind, range)))
        .collect();
    for (index, (id, parent, kind, range)) in all.iter().enumerate() {
        for (other_id, other_parent, other_kind, other) in &all[..index] {
            let same_space = parent == other_parent && (*kind == AddressSpace::Io) == (*other_kind == AddressSpace::Io);
            assert!(!same_space || !overlap(range, other), "{id:?} {range:x?} overlaps {other_id:?} {other:x?}");
        }
    }
}
