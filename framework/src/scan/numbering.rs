//! Bus numbers for bridges without valid ones: depth first, around those that have valid numbers.
//!
//! The functions behind a bridge can be read only once its bus has a number. So a bridge gets all numbers that are free on its level, the
//! buses behind it are numbered, and the numbers that were not needed are taken back. A bridge that has too few numbers gets the
//! free ones that follow. The range of a bridge is inside that of the bridge above and apart from those of its neighbours,
//! so numbers increase with depth and every bus is visited once.

use alloc::vec;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use crate::config::{
    Address, BridgeHeader, BusNumbers, Capability, CapabilityList, ConfigAccess, ExpressCapability, Header, HeaderKind,
    Space,
};
use crate::sort;

/// A hot-plug slot gets one in this many of the numbers that are left, for a bridge or a switch that may be inserted.
/// With few slots each gets several, with many each gets one or none, so that slots do not exhaust the numbers.
const SPARE_SHARE: u8 = 32;

/// Numbers the buses behind `root`, a root bus that may use numbers up to `last`. Returns how many bridges got new
/// numbers; bridges for which none was left stay without.
pub(super) fn number(access: &'static dyn ConfigAccess, segment: u16, root: u8, last: u8) -> usize {
    let numbering =
        |has_spare_buses| Numbering { access, segment, has_spare_buses, numbered: Vec::new(), unnumbered: 0 };
    let first = numbering(true).run(root, last);
    if first.unnumbered == 0 || first.numbered.is_empty() {
        return first.report();
    }
    // Without spare numbers for slots there may be enough.
    first.numbered.iter().for_each(|space| space.write_bus_numbers(CLOSED));
    numbering(false).run(root, last).report()
}

/// The Header Type register, and its values (PCI 3.0, 6.2.1).
const HEADER_TYPE: u16 = 0x0e;
const MULTIFUNCTION: u8 = 0x80;
const BRIDGE: u8 = 1;
const CARDBUS: u8 = 2;
const CLOSED: BusNumbers = BusNumbers { primary: 0, secondary: 0, subordinate: 0 };

struct Numbering {
    access: &'static dyn ConfigAccess,
    segment: u16,
    has_spare_buses: bool,
    numbered: Vec<Space>,
    unnumbered: usize,
}

/// One bus on the path from the root bus down.
struct Level {
    /// The bus number.
    bus: u8,
    /// The highest number that may be used behind the bus.
    last: u8,
    /// The highest number that is used.
    highest: u8,
    /// The numbers of its bridges.
    taken: Vec<RangeInclusive<u8>>,
    /// The bridges that are not visited yet.
    waiting: Vec<Bridge>,
    /// The bridge whose secondary bus is the next level.
    open: Option<Bridge>,
}

#[derive(Clone)]
struct Bridge {
    space: Space,
    /// The buses behind it.
    buses: Option<RangeInclusive<u8>>,
    /// The subordinate bus number that it holds at the moment.
    forwards: u8,
    is_new: bool,
}

impl Numbering {
    fn report(self) -> usize {
        if self.unnumbered > 0 {
            log::warn!("no bus numbers for {} bridges: the functions behind them are out of reach", self.unnumbered);
        }
        self.numbered.len()
    }

    fn run(mut self, root: u8, last: u8) -> Self {
        let mut levels = vec![self.level(root..=last, last, false)];
        while let Some(level) = levels.last_mut() {
            if let Some(mut bridge) = level.waiting.pop() {
                if bridge.buses.is_none() {
                    let Some(gap) = level.gap() else {
                        self.unnumbered += 1;
                        continue;
                    };
                    let bus = level.bus;
                    widen(&mut levels, *gap.end());
                    if !self.open(bus, gap, &mut bridge) {
                        self.unnumbered += 1;
                        continue;
                    }
                }
                let (Some(level), Some(buses)) = (levels.last_mut(), bridge.buses.clone()) else { continue };
                let is_link = express(bridge.space).is_some_and(|express| express.port.leads_to_link());
                level.open = Some(bridge);
                let last = level.limit(&buses);
                levels.push(self.level(buses, last, is_link));
            } else {
                let highest = level.highest;
                levels.pop();
                if let Some(above) = levels.last_mut() {
                    self.close(above, highest);
                }
            }
        }
        self
    }

    /// Reads the bridges of a bus. Invalid numbers are cleared, so that a bridge does not claim configuration accesses for
    /// other buses.
    fn level(&self, own: RangeInclusive<u8>, last: u8, is_link: bool) -> Level {
        let bus = *own.start();
        let mut level = Level { bus, last, highest: bus, taken: Vec::new(), waiting: Vec::new(), open: None };
        for space in self.bridges(bus, is_link) {
            let BusNumbers { secondary, subordinate, .. } = BusNumbers::read(space);
            let buses = secondary..=subordinate;
            let is_inside = bus < secondary && secondary <= subordinate && subordinate <= *own.end();
            let is_good = is_inside && level.taken.iter().all(|taken| !meet(taken, &buses));
            if is_good {
                level.taken.push(buses.clone());
            } else if (secondary, subordinate) != (0, 0) {
                space.write_bus_numbers(CLOSED);
            }
            level.waiting.push(Bridge {
                space,
                buses: is_good.then_some(buses),
                forwards: subordinate,
                is_new: !is_good,
            });
        }
        // Bridges with numbers come first, while the numbers that follow theirs are still free. The list is served from its end.
        sort::by_key(&mut level.waiting, |bridge| bridge.is_new);
        level.waiting.reverse();
        level
    }

    /// Returns the bridges on a bus. The only device on a link is device 0; answers at other numbers may be aliases of it.
    fn bridges(&self, bus: u8, is_link: bool) -> Vec<Space> {
        let mut found = Vec::new();
        for device in 0..if is_link { 1 } else { 32 } {
            let mut functions = 1;
            let mut function = 0;
            while function < functions {
                let space = Space::new(self.access, Address::new(self.segment, bus, device, function));
                function += 1;
                // Only the header type of other functions is read here: decoding them is left to the walk.
                let layout = space.read_u8(HEADER_TYPE);
                if layout == u8::MAX {
                    continue;
                }
                if function == 1 && layout & MULTIFUNCTION != 0 {
                    functions = 8;
                }
                if matches!(layout & !MULTIFUNCTION, BRIDGE | CARDBUS) && !matches!(space.read_u16(0), 0 | u16::MAX) {
                    let header = Header::decode(space);
                    let is_bridge = header.class.is_bridge() || matches!(header.kind, HeaderKind::CardBus(_));
                    found.extend(is_bridge.then_some(space));
                }
            }
        }
        found
    }

    /// Assigns the numbers in `gap` to a bridge on `bus`. Returns whether the bridge holds them.
    fn open(&mut self, bus: u8, gap: RangeInclusive<u8>, bridge: &mut Bridge) -> bool {
        let wanted = BusNumbers { primary: bus, secondary: *gap.start(), subordinate: *gap.end() };
        bridge.space.write_bus_numbers(wanted);
        // A function that does not hold bus numbers is not a bridge.
        if BusNumbers::read(bridge.space) != wanted {
            bridge.space.write_bus_numbers(CLOSED);
            return false;
        }
        bridge.forwards = wanted.subordinate;
        bridge.buses = Some(gap);
        self.numbered.push(bridge.space);
        true
    }

    /// Takes back the numbers that the visited bridge does not need.
    fn close(&self, level: &mut Level, highest: u8) {
        let Some(Bridge { space, buses: Some(buses), forwards, is_new }) = level.open.take() else { return };
        let end = if is_new {
            let left = *buses.end() - highest;
            highest + if self.has_spare_buses && takes_hotplug(space) { left / SPARE_SHARE } else { 0 }
        } else {
            highest.max(*buses.end())
        };
        if end != forwards {
            space.write_bus_numbers(BusNumbers { subordinate: end, ..BusNumbers::read(space) });
        }
        level.taken.push(*buses.start()..=end);
        level.highest = level.highest.max(end);
    }
}

impl Level {
    /// Returns the highest number that may be used behind a bridge on this bus: its own last one, and the free ones that follow.
    fn limit(&self, buses: &RangeInclusive<u8>) -> u8 {
        let others = self.taken.iter().map(|taken| *taken.start()).filter(|start| start > buses.end());
        others.min().map_or(self.last, |next| next - 1)
    }

    /// Returns the longest run of free numbers.
    fn gap(&self) -> Option<RangeInclusive<u8>> {
        let is_free = |bus: &u8| self.taken.iter().all(|taken| !taken.contains(bus));
        let mut gaps: Vec<RangeInclusive<u8>> = Vec::new();
        for bus in (self.bus..=self.last).skip(1).filter(is_free) {
            match gaps.last_mut() {
                Some(gap) if *gap.end() == bus - 1 => *gap = *gap.start()..=bus,
                _ => gaps.push(bus..=bus),
            }
        }
        gaps.into_iter().rev().max_by_key(|gap| gap.len())
    }
}

/// Extends the subordinate bus numbers of the bridges above to `last`, so that the functions there can be read.
fn widen(levels: &mut [Level], last: u8) {
    for bridge in levels.iter_mut().filter_map(|level| level.open.as_mut()).filter(|bridge| bridge.forwards < last) {
        bridge.space.write_bus_numbers(BusNumbers { subordinate: last, ..BusNumbers::read(bridge.space) });
        bridge.forwards = last;
    }
}

fn meet(a: &RangeInclusive<u8>, b: &RangeInclusive<u8>) -> bool {
    a.start() <= b.end() && b.start() <= a.end()
}

/// Returns whether the bridge is a port with a hot-plug capable slot.
pub(super) fn takes_hotplug(space: Space) -> bool {
    let slot = express(space).and_then(|express| express.slot);
    slot.is_some_and(|slot| slot.is_hot_plug_capable())
}

fn express(bridge: Space) -> Option<ExpressCapability> {
    let kind = HeaderKind::Bridge(BridgeHeader::read(bridge));
    // The registers of a CardBus bridge, which is none of PCI Express, are elsewhere.
    if bridge.read_u8(HEADER_TYPE) & !MULTIFUNCTION != BRIDGE {
        return None;
    }
    let offset = CapabilityList::read(bridge, kind).find(Capability::EXPRESS)?;
    (offset <= 256 - ExpressCapability::MIN_BYTES).then(|| ExpressCapability::read(bridge, offset))
}

/// Returns the highest bus of a segment whose configuration space can be reached.
pub(super) fn last_reachable(access: &dyn ConfigAccess, segment: u16) -> u8 {
    (0..=u8::MAX).rev().find(|bus| access.has_bus(segment, *bus)).unwrap_or(0)
}
