//! What each bus still wants of the one above it: from the leaves up.

use crate::sort;
use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Reverse;

use super::free_ranges::FreeRanges;
use super::keep::BusRanges;
use super::{AddressSpace, Tree};

/// Windows begin and end at multiples of these.
const IO_GRANULE: u64 = 0x1000;
const MEMORY_GRANULE: u64 = 1 << 20;
/// What a window gets at least where functions may come later. Ports are too few to set any aside.
const SPARE_MEMORY: u64 = 2 << 20;

/// What a range must be like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) size: u64,
    pub(super) align: u64,
    /// It ends no higher.
    pub(super) ceiling: u64,
}

/// Something that wants a range of the bus it is on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    pub(super) owner: Owner,
    /// Which of the bus's rooms it goes to.
    pub(super) room: AddressSpace,
    pub(super) shape: Shape,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Owner {
    Bar { node: usize, bar: usize },
    Window { node: usize, kind: AddressSpace },
}

/// The shapes of the windows that are to be made, by node and kind.
#[derive(Debug)]
pub(super) struct Demands {
    members: Vec<Vec<usize>>,
    windows: Vec<[Option<Shape>; 3]>,
    spare: bool,
}

impl Demands {
    /// Adds up what everything wants that has nothing. A window that is too small and empty is given up: a new
    /// one is made elsewhere.
    pub(super) fn new(tree: &mut Tree, rooms: &mut [BusRanges], spare: bool) -> Self {
        let mut this = Self { members: tree.members(), windows: vec![[None; 3]; tree.len()], spare };
        for node in (0..tree.len()).rev() {
            this.give_up_windows(tree, rooms, node);
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

    fn give_up_windows(&self, tree: &mut Tree, rooms: &mut [BusRanges], node: usize) {
        for kind in AddressSpace::ALL {
            let Some(range) = tree.at(node).bridge.as_ref().and_then(|bridge| bridge.window(kind).range.clone()) else {
                continue;
            };
            let room = rooms[node + 1].room(kind);
            let mut trial = room.clone();
            let items = self.items(tree, node + 1).into_iter().filter(|item| item.room == kind);
            if !room.is_untouched() || items.map(|item| item.shape).all(|shape| put(&mut trial, shape)) {
                continue;
            }
            *room = FreeRanges::default();
            rooms[tree.bus_of(node)].give(kind, &range);
            if let Some(bridge) = &mut tree.at_mut(node).bridge {
                bridge.window_mut(kind).range = None;
            }
        }
    }

    /// Says anew what the windows of one bridge must be like, from what is behind it.
    pub(super) fn update(&mut self, tree: &Tree, node: usize) {
        let Some(bridge) = &tree.at(node).bridge else { return };
        let items = self.items(tree, node + 1);
        for kind in AddressSpace::ALL {
            let window = bridge.window(kind);
            let is_wanted = window.ceiling != 0 && window.range.is_none();
            let spare = if self.spare && bridge.takes_hotplug && kind != AddressSpace::Io { SPARE_MEMORY } else { 0 };
            let shapes = items.iter().filter(|item| item.room == kind).map(|item| item.shape);
            self.windows[node][kind as usize] =
                is_wanted.then(|| enclose(shapes, kind, window.ceiling, spare)).flatten();
        }
    }

    /// What wants a range on a bus, in the order in which to serve it: what can go in few places first, then the
    /// largest. Everything is a multiple of its own alignment or the last to care, so little is lost in between.
    pub(super) fn items(&self, tree: &Tree, bus: usize) -> Vec<Item> {
        let mut items = Vec::new();
        for &node in &self.members[bus] {
            for (bar, request) in tree.at(node).bars.iter().enumerate() {
                let shape = Shape { size: request.size, align: request.size, ceiling: request.ceiling() };
                let room = tree.route(bus, request.kind, shape.ceiling);
                items.extend(room.filter(|_| request.wants_address()).map(|room| Item {
                    owner: Owner::Bar { node, bar },
                    room,
                    shape,
                }));
            }
            for kind in AddressSpace::ALL {
                let Some(shape) = self.window(node, kind) else { continue };
                let room = tree.route(bus, kind, shape.ceiling);
                items.extend(room.map(|room| Item { owner: Owner::Window { node, kind }, room, shape }));
            }
        }
        sort::by_key(&mut items, |item| (item.shape.ceiling, Reverse(item.shape.align), Reverse(item.shape.size)));
        items
    }
}

/// The shape of a window around `shapes`, if there is anything to put into it.
fn enclose(shapes: impl Iterator<Item = Shape>, kind: AddressSpace, ceiling: u64, spare: u64) -> Option<Shape> {
    let granule = if kind == AddressSpace::Io { IO_GRANULE } else { MEMORY_GRANULE };
    let mut room = FreeRanges::of(0..u64::MAX);
    let mut window = Shape { size: spare, align: granule, ceiling };
    for shape in shapes {
        window.align = window.align.max(shape.align);
        window.ceiling = window.ceiling.min(shape.ceiling);
        // More than there are addresses: it will not fit, and what is largest in it will be left out.
        let end = room.place(shape.size, shape.align, u64::MAX).map_or(u64::MAX, |range| range.end);
        window.size = window.size.max(end);
    }
    window.size = window.size.checked_next_multiple_of(granule).unwrap_or(u64::MAX);
    (window.size > 0).then_some(window)
}

pub(super) fn put(room: &mut FreeRanges, shape: Shape) -> bool {
    room.place(shape.size, shape.align, shape.ceiling).is_some()
}
