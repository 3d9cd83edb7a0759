//! Assignment of addresses: builds the tree for [`assign`](crate::assign) from registers, and writes the result back.
//!
//! BARs are written with decoding off, and windows are closed while they change. Functions that were found before are not
//! touched, so a driver that uses one is not disturbed.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use super::numbering::takes_hotplug;
use crate::assign::{AddressSpace, AddressState, BarRequest, Bridge, Node, NodeId, Tree, Unassigned, WindowRequest};
use crate::bar::{BarFacts, BarKind, SriovFacts, park, write_bar};
use crate::config::{
    BridgeHeader, BridgeWindow, Command, HeaderKind, Space, WindowRange, read_command, update_command,
};
use crate::inventory::Record;
use crate::machine::Machine;
use crate::sort;

/// The number of BARs and windows that were written.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Done {
    pub(super) bars: usize,
    pub(super) windows: usize,
}

/// Assigns addresses to the BARs of the records in `new` and to the windows of all bridges, where they have no valid ones.
pub(super) fn assign(machine: &Machine, known: &[Arc<Record>], new: &mut [Record]) -> Done {
    let mut tree = Tree::new();
    let mut placed = place_in_tree(&mut tree, known, new);
    let before = tree.clone();
    tree.assign(&machine.apertures);
    let mut done = Done::default();
    // A bridge is written before the functions behind it, so that their addresses are forwarded once they are decoded.
    for Placed { id, space, new: index } in placed.drain(..) {
        let (Some(was), Some(is)) = (before.node(id), tree.node(id)) else { continue };
        if let (Some(was), Some(is)) = (&was.bridge, &is.bridge) {
            done.windows += write_windows(space, was, is);
        }
        if let Some(record) = index.and_then(|index| new.get_mut(index)) {
            done.bars += write_bars(record, was, is);
            keep_virtual_bars(record, is);
            if let HeaderKind::Bridge(header) = &mut record.facts.header.kind {
                *header = BridgeHeader::read(space);
                enable_bridge(record);
            }
        }
    }
    done
}

/// A function in the tree, and its index among the new records.
struct Placed {
    id: NodeId,
    space: Space,
    new: Option<usize>,
}

fn place_in_tree(tree: &mut Tree, known: &[Arc<Record>], new: &[Record]) -> Vec<Placed> {
    // Functions that are gone are included: while a driver owns one, it may still write to its addresses.
    // The addresses of virtual functions are in the requests of their physical functions.
    let known = known.iter().filter(|record| record.physical.is_none()).map(|record| (&**record, None));
    let mut all: Vec<(&Record, Option<usize>)> =
        known.chain(new.iter().enumerate().map(|(index, record)| (record, Some(index)))).collect();
    // In order of address a bridge comes before the functions behind it, whose buses have higher numbers.
    sort::by_key(&mut all, |(record, _)| record.address());
    let is_inhabited = |bus: (u16, u8)| all.iter().any(|(record, _)| record.bus() == bus);
    let mut placed = Vec::new();
    let mut bridges: Vec<Above> = Vec::new();
    for (record, index) in &all {
        let parent = above(&bridges, record);
        let mut node = Node { bars: requests(record), bridge: None, state: state(record, *index) };
        let mut behind = None;
        if matches!(record.header().kind, HeaderKind::Bridge(_)) && !record.is_gone() {
            let takes_hotplug = takes_hotplug(record.space);
            let buses = BridgeHeader::read(record.space).buses;
            let bus = (record.address().segment(), buses.secondary);
            let is_sane = record.address().bus() < buses.secondary && bridges.iter().all(|other| other.bus != bus);
            behind = is_sane.then_some((bus, buses.subordinate));
            // The probe writes, so a bridge without functions behind it is only read.
            let is_used = is_sane && (takes_hotplug || is_inhabited(bus));
            let header = if is_used { BridgeHeader::probe(record.space) } else { BridgeHeader::read(record.space) };
            node.bridge = Some(bridge(&header, takes_hotplug && is_sane));
        }
        let Some(id) = tree.add(parent, node) else { continue };
        placed.push(Placed { id, space: record.space, new: *index });
        bridges.extend(behind.map(|(bus, last)| Above { bus, last, id }));
    }
    placed
}

/// A bridge, with the segment and number of its secondary bus and the number of its last one.
struct Above {
    bus: (u16, u8),
    last: u8,
    id: NodeId,
}

/// Returns the bridge above a function. A function that is gone may have lost its bridge; then it is the nearest one above whose
/// windows still contain its addresses.
fn above(bridges: &[Above], record: &Record) -> Option<NodeId> {
    let (segment, number) = record.bus();
    let leads = |above: &&Above| above.bus.0 == segment && (above.bus.1..=above.last).contains(&number);
    let nearest = bridges.iter().filter(leads).max_by_key(|above| above.bus.1)?;
    (nearest.bus.1 == number || record.is_gone()).then_some(nearest.id)
}

/// Returns how firmly a function holds its addresses. A new function that decodes them may be in use, as firmware's console is.
fn state(record: &Record, new: Option<usize>) -> AddressState {
    let decodes = Command::IO_ENABLE | Command::MEMORY_ENABLE;
    match new {
        None => AddressState::InUse,
        Some(_) if read_command(record.space).intersects(decodes) => AddressState::Decoding,
        Some(_) => AddressState::Inactive,
    }
}

/// Returns the requests of a function's BARs, and then those of its virtual functions' BARs.
fn requests(record: &Record) -> Vec<BarRequest> {
    let request = |bar: &BarFacts, size: u64| {
        let (kind, is_64bit) = match bar.kind {
            BarKind::Io => (AddressSpace::Io, false),
            BarKind::Memory32 { prefetchable } => (memory(prefetchable), false),
            BarKind::Memory64 { prefetchable } => (memory(prefetchable), true),
        };
        BarRequest { kind, is_64bit, size, address: bar.address }
    };
    let own = record.bars.iter().map(|bar| request(bar, bar.size));
    let whole = |sriov: &SriovFacts| sriov.bars.iter().map(|bar| request(bar, sriov.whole(bar))).collect::<Vec<_>>();
    own.chain(record.sriov.as_ref().map(whole).unwrap_or_default()).collect()
}

fn memory(prefetchable: bool) -> AddressSpace {
    if prefetchable { AddressSpace::Prefetchable } else { AddressSpace::Memory }
}

fn bridge(header: &BridgeHeader, takes_hotplug: bool) -> Bridge {
    let window = |window: BridgeWindow, ceiling: u64| WindowRequest {
        ceiling: if window.is_implemented { ceiling } else { 0 },
        // A range cannot end at 2^64; no device is at the last address.
        range: window.range.and_then(|range| Some(range.first..range.last.checked_add(1)?)),
    };
    let high = if header.prefetchable.bits == 64 { u64::MAX } else { WindowRequest::LOW_CEILING };
    Bridge {
        io: window(header.io, WindowRequest::IO_CEILING),
        memory: window(header.memory, WindowRequest::LOW_CEILING),
        prefetchable: window(header.prefetchable, high),
        takes_hotplug,
    }
}

/// Writes the windows that changed. Returns how many were opened.
fn write_windows(space: Space, was: &Bridge, is: &Bridge) -> usize {
    let mut opened = 0;
    for kind in AddressSpace::ALL {
        let range = &is.window(kind).range;
        if *range == was.window(kind).range {
            continue;
        }
        let wanted = range.as_ref().map(ends);
        let found = match kind {
            AddressSpace::Io => {
                space.write_io_window(wanted);
                BridgeHeader::read(space).io
            }
            AddressSpace::Memory => {
                space.write_memory_window(wanted);
                BridgeHeader::read(space).memory
            }
            AddressSpace::Prefetchable => {
                space.write_prefetchable_window(wanted);
                BridgeHeader::read(space).prefetchable
            }
        };
        if found.range != wanted {
            let (name, wanted, found) = (kind.name(), ShownWindow(wanted), ShownWindow(found.range));
            log::warn!("{}: the window for {name} takes no writes: {wanted} written, {found} read", space.address());
        }
        opened += usize::from(wanted.is_some());
    }
    opened
}

/// Displays the addresses of a window.
struct ShownWindow(Option<WindowRange>);

impl fmt::Display for ShownWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(WindowRange { first, last }) => write!(f, "{first:#x} to {last:#x}"),
            None => f.write_str("closed"),
        }
    }
}

fn ends(range: &Range<u64>) -> WindowRange {
    WindowRange { first: range.start, last: range.end - 1 }
}

/// Writes the BARs that changed. Returns how many took their address.
fn write_bars(record: &mut Record, was: &Node, is: &Node) -> usize {
    let mut written = 0;
    let changed = was.bars.iter().zip(&is.bars).map(|(was, is)| was.address != is.address);
    let changed: Vec<bool> = changed.collect();
    let decodes = Command::IO_ENABLE | Command::MEMORY_ENABLE;
    if changed.contains(&true) {
        // Nothing is logged before decoding is on again: the console may be behind a BAR that moves.
        let before = update_command(record.space, |command| command - decodes);
        // All ones: the function was removed meanwhile, and decoding was not disabled.
        let is_there = before.bits() != u16::MAX;
        for ((bar, request), changed) in record.bars.iter_mut().zip(&is.bars).zip(changed) {
            if !changed {
                continue;
            }
            bar.address = request.address.and_then(|address| {
                let is_taken = is_there && write_bar(record.space, *bar, address);
                if is_taken { Ok(address) } else { Err(Unassigned::Refused { address }) }
            });
            written += usize::from(bar.address.is_ok());
        }
        for bar in record.bars.iter().filter(|bar| is_there && bar.address.is_err()) {
            park(record.space, *bar);
        }
        record.mark_undecodable_bars();
        let decodable = record.decodable();
        update_command(record.space, |_| before & (decodable | !decodes));
    }
    for bar in &record.bars {
        if let Err(reason) = bar.address {
            // Few drivers need ports, and some machines have none.
            let level = if bar.kind == BarKind::Io { log::Level::Info } else { log::Level::Warn };
            log::log!(level, "{}: BAR {} has no address: {reason}", record.address(), bar.index);
        }
    }
    written
}

/// Keeps the addresses for the BARs of virtual functions, which are written when these are enabled.
fn keep_virtual_bars(record: &mut Record, is: &Node) {
    let (address, own) = (record.address(), record.bars.len());
    let Some(sriov) = &mut record.sriov else { return };
    for (bar, request) in sriov.bars.iter_mut().zip(is.bars.iter().skip(own)) {
        bar.address = request.address;
        if let Err(reason) = bar.address {
            log::info!("{address}: BAR {} of its virtual functions has no address: {reason}", bar.index);
        }
    }
}

/// Enables a bridge: it forwards its windows downstream and memory accesses upstream.
fn enable_bridge(record: &Record) {
    update_command(record.space, |command| command | record.decodable() | Command::BUS_MASTER_ENABLE);
}
