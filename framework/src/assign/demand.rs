//! Demands: the ranges that BARs and windows still need on each bus, computed from the leaves up.

use crate::sort;
use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Reverse;

use super::free_ranges::FreeRanges;
use super::keep::BusRanges;
use super::{AddressSpace, AddressState, Tree};

/// Windows begin and end at multiples of these (PCI-to-PCI bridge architecture 1.2, 3.2.5).
const IO_GRANULE: u64 = 0x1000;
const MEMORY_GRANULE: u64 = 1 << 20;
/// The minimum size of a memory window in front of a hot-plug slot. There are too few ports to reserve any.
const HOT_PLUG_MEMORY_BYTES: u64 = 2 << 20;

/// The requirements on a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) size: u64,
    pub(super) align: u64,
    /// The highest end.
    pub(super) ceiling: u64,
}

/// A BAR or window that needs a range on its bus.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    pub(super) owner: Owner,
    /// The window of the bridge above that it is placed in.
    pub(super) window: AddressSpace,
    pub(super) shape: Shape,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Owner {
    Bar { node: usize, bar: usize },
    Window { node: usize, kind: AddressSpace },
}

/// The requirements on the windows that are to be opened, by node and kind.
#[derive(Debug)]
pub(super) struct Demands {
    members: Vec<Vec<usize>>,
    windows: Vec<[Option<Shape>; 3]>,
    has_spare_memory: bool,
}

/// How much space empty windows may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WindowPolicy {
    /// New windows in front of hot-plug slots get spare memory.
    pub(super) has_spare_memory: bool,
    /// Windows that firmware opened stay as large as they are though they are empty.
    pub(super) keeps_empty_windows: bool,
}

impl Demands {
    /// Adds up the demands of all BARs and windows without a range. A window that is too small and empty is closed, so that a new
    /// one is opened elsewhere.
    pub(super) fn new(tree: &mut Tree, free: &mut [BusRanges], policy: WindowPolicy) -> Self {
        let WindowPolicy { has_spare_memory, keeps_empty_windows } = policy;
        let mut this = Self { members: tree.members(), windows: vec![[None; 3]; tree.len()], has_spare_memory };
        for node in (0..tree.len()).rev() {
            this.close_empty_windows(tree, free, node, keeps_empty_windows);
            this.update(tree, node);
        }
        this
    }

    pub(super) fn members(&self) -> &[Vec<usize>] {
        &self.members
    }

    pub(super) fn window(&self, node: usize, kind: AddressSpace) -> Option<Shape> {
        self.windows[node][kind as usize]
    }

    /// Closes the windows of a bridge in which no address is kept: the ones that are too small, or all that firmware opened.
    fn close_empty_windows(&self, tree: &mut Tree, free: &mut [BusRanges], node: usize, only_small: bool) {
        let is_kept = only_small || tree.at(node).state == AddressState::InUse;
        for kind in AddressSpace::ALL {
            let Some(range) = tree.at(node).bridge.as_ref().and_then(|bridge| bridge.window(kind).range.clone()) else {
                continue;
            };
            let ranges = free[node + 1].ranges(kind);
            let mut trial = ranges.clone();
            let items = self.items(tree, node + 1).into_iter().filter(|item| item.window == kind);
            let suffices = || items.map(|item| item.shape).all(|shape| put(&mut trial, shape));
            if !ranges.is_untouched() || is_kept && suffices() {
                continue;
            }
            *ranges = FreeRanges::default();
            free[tree.bus_of(node)].give(kind, &range);
            if let Some(bridge) = &mut tree.at_mut(node).bridge {
                bridge.window_mut(kind).range = None;
            }
        }
    }

    /// Computes the requirements on the windows of one bridge, from the demands behind it.
    pub(super) fn update(&mut self, tree: &Tree, node: usize) {
        let Some(bridge) = &tree.at(node).bridge else { return };
        let items = self.items(tree, node + 1);
        for kind in AddressSpace::ALL {
            let window = bridge.window(kind);
            let is_wanted = window.ceiling != 0 && window.range.is_none();
            let has_spare = self.has_spare_memory && bridge.takes_hotplug && kind != AddressSpace::Io;
            let min_size = if has_spare { HOT_PLUG_MEMORY_BYTES } else { 0 };
            let shapes = items.iter().filter(|item| item.window == kind).map(|item| item.shape);
            self.windows[node][kind as usize] =
                is_wanted.then(|| enclose(shapes, kind, window.ceiling, min_size)).flatten();
        }
    }

    /// Returns the demands on a bus in the order in which they are served: those with the lowest ceiling first, then the largest alignment.
    /// A BAR's size is its alignment, so that little is lost in between.
    pub(super) fn items(&self, tree: &Tree, bus: usize) -> Vec<Item> {
        let mut items = Vec::new();
        for &node in &self.members[bus] {
            for (bar, request) in tree.at(node).bars.iter().enumerate() {
                let shape = Shape { size: request.size, align: request.size, ceiling: request.ceiling() };
                let window = tree.route(bus, request.kind, shape.ceiling);
                items.extend(window.filter(|_| request.needs_address()).map(|window| Item {
                    owner: Owner::Bar { node, bar },
                    window,
                    shape,
                }));
            }
            for kind in AddressSpace::ALL {
                let Some(shape) = self.window(node, kind) else { continue };
                let window = tree.route(bus, kind, shape.ceiling);
                items.extend(window.map(|window| Item { owner: Owner::Window { node, kind }, window, shape }));
            }
        }
        sort::by_key(&mut items, |item| (item.shape.ceiling, Reverse(item.shape.align), Reverse(item.shape.size)));
        items
    }
}

/// Returns the requirements on a window around `shapes`, or `None` when it would be empty.
fn enclose(shapes: impl Iterator<Item = Shape>, kind: AddressSpace, ceiling: u64, min_size: u64) -> Option<Shape> {
    let granule = if kind == AddressSpace::Io { IO_GRANULE } else { MEMORY_GRANULE };
    let mut ranges = FreeRanges::of(0..u64::MAX);
    let mut window = Shape { size: min_size, align: granule, ceiling };
    for shape in shapes {
        window.align = window.align.max(shape.align);
        window.ceiling = window.ceiling.min(shape.ceiling);
        // More than the address space: the window will not fit, and its largest BARs will be left out.
        let end = ranges.place(shape.size, shape.align, u64::MAX).map_or(u64::MAX, |range| range.end);
        window.size = window.size.max(end);
    }
    window.size = window.size.checked_next_multiple_of(granule).unwrap_or(u64::MAX);
    (window.size > 0).then_some(window)
}

pub(super) fn put(ranges: &mut FreeRanges, shape: Shape) -> bool {
    ranges.place(shape.size, shape.align, shape.ceiling).is_some()
}
