//! The walk: finds every function on every bus that can be reached.
//!
//! It is bounded for all contents of bridges: a bridge is followed only if its buses are numbered above its own, within those of
//! the bridge above, and apart from its neighbours'. So each of the 256 buses is walked at most once, in a loop and not by recursion.

use alloc::vec;
use alloc::vec::Vec;

use crate::config::{
    Address, BusNumbers, Capability, CapabilityList, ConfigAccess, ExpressCapability, Header, HeaderKind, Refusal,
    RefusalReason, Space, same_ids,
};
use crate::machine::RootBuses;
use crate::platform::Clock;
use crate::sort;
use crate::sync::primitives::spin_loop;

/// Vendor ID and Device ID while a function returns Configuration Request Retry Status (PCIe 4.0, 2.3.2).
const NOT_READY: u32 = 0xffff_0001;
/// The timeout for all such functions together: the time that a reset may take (PCIe 4.0, 6.6.1).
const READY_TIMEOUT_NS: u64 = 1_000_000_000;
/// The pause between two reads of such a function.
const RETRY_PAUSE_NS: u64 = 10_000_000;

/// The result of the walk.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The functions, in order of address.
    pub(crate) functions: Vec<(Space, Header)>,
    /// The functions that are left out.
    pub(crate) refusals: Vec<Refusal>,
}

/// Finds every function of every segment: on the first bus, behind the bridges there, and on further root
/// buses, which no bridge leads to.
pub(crate) fn walk(access: &'static dyn ConfigAccess, roots: RootBuses, clock: &dyn Clock) -> Found {
    let mut walker = Walker { access, roots, clock, deadline_ns: None, found: Found::default() };
    for segment in 0..=access.last_segment() {
        walker.walk_segment(segment);
    }
    sort::by_key(&mut walker.found.functions, |(space, _)| space.address());
    walker.found
}

/// A bus to walk, and the highest bus that may be behind its bridges.
#[derive(Debug, Clone, Copy)]
struct Bus {
    segment: u16,
    number: u8,
    last: u8,
    /// The bus is a link, whose only device is device 0; answers at other numbers may be aliases of it.
    is_link: bool,
}

struct Walker<'a> {
    access: &'static dyn ConfigAccess,
    roots: RootBuses,
    clock: &'a dyn Clock,
    /// The end of [`READY_TIMEOUT_NS`], which begins with the first function that was not ready.
    deadline_ns: Option<u64>,
    found: Found,
}

impl Walker<'_> {
    fn walk_segment(&mut self, segment: u16) {
        // Buses that were walked, or that are in the range of a bridge, valid or not: these are no root buses.
        let mut is_known = [false; 256];
        let mut is_first = true;
        for number in 0..=u8::MAX {
            if is_known[usize::from(number)] || !self.access.has_bus(segment, number) {
                continue;
            }
            let root = Bus { segment, number, last: u8::MAX, is_link: false };
            // The first bus is a root bus; another is one if a function is there.
            if core::mem::take(&mut is_first) {
                self.walk_tree(root, &mut is_known);
                if !self.may_have_further_roots(root) {
                    break;
                }
            } else if self.has_function(root) {
                self.walk_tree(root, &mut is_known);
            }
        }
    }

    /// Returns whether to search for further root buses, which takes thousands of reads. Some machines have a host bridge on the
    /// first bus for each root bus.
    fn may_have_further_roots(&self, first: Bus) -> bool {
        let is_first =
            |space: Space| (space.address().segment(), space.address().bus()) == (first.segment, first.number);
        let functions = self.found.functions.iter().filter(|(space, _)| is_first(*space));
        self.roots == RootBuses::Any || functions.filter(|(_, header)| header.class.is_host_bridge()).count() > 1
    }

    fn has_function(&self, bus: Bus) -> bool {
        let answers = |device| {
            let space = Space::new(self.access, Address::new(bus.segment, bus.number, device, 0));
            !matches!(space.read_u16(0), 0 | 0xffff)
        };
        (0..32).any(answers)
    }

    fn walk_tree(&mut self, root: Bus, is_known: &mut [bool; 256]) {
        let mut pending = vec![root];
        while let Some(bus) = pending.pop() {
            is_known[usize::from(bus.number)] = true;
            let mut below: Vec<Bus> = Vec::new();
            for (space, header) in self.walk_bus(bus) {
                let buses = match header.kind {
                    HeaderKind::Bridge(bridge) => Some(bridge.buses),
                    HeaderKind::CardBus(buses) => Some(buses),
                    HeaderKind::Endpoint | HeaderKind::Unknown(_) => None,
                };
                if let Some(buses) = buses.filter(|buses| buses.secondary != 0) {
                    (buses.secondary..=buses.subordinate).for_each(|bus| is_known[usize::from(bus)] = true);
                }
                match check(space, &header, bus, &below) {
                    Ok(next) => {
                        below.extend(next);
                        self.found.functions.push((space, header));
                    }
                    Err(reason) => self.refuse(space, reason),
                }
            }
            pending.extend(below);
        }
    }

    fn walk_bus(&mut self, bus: Bus) -> Vec<(Space, Header)> {
        let mut found = Vec::new();
        let devices = if bus.is_link { 1 } else { 32 };
        for device in 0..devices {
            // Function 0 has the multi-function bit for the whole device.
            let mut functions = 1;
            let mut function = 0;
            while function < functions {
                let space = Space::new(self.access, Address::new(bus.segment, bus.number, device, function));
                match self.read_header(space) {
                    Ok(Some(header)) => {
                        if function == 0 && header.is_multifunction {
                            functions = 8;
                        }
                        found.push((space, header));
                    }
                    Ok(None) => {}
                    Err(reason) => self.refuse(space, reason),
                }
                function += 1;
            }
        }
        found
    }

    /// Decodes the header, or returns `None` where there is no function.
    fn read_header(&mut self, space: Space) -> Result<Option<Header>, RefusalReason> {
        let Some(ids) = self.read_ids(space)? else { return Ok(None) };
        let header = Header::decode(space);
        same_ids(ids, header.ids())?;
        Ok(Some(header))
    }

    /// Reads Vendor ID and Device ID, and retries while the function is not ready.
    fn read_ids(&mut self, space: Space) -> Result<Option<u32>, RefusalReason> {
        loop {
            match space.read_u32(0) {
                NOT_READY => self.wait()?,
                // 0xffff: no function. 0x0000 is no vendor either, and some bridges return it.
                ids if matches!(ids & 0xffff, 0 | 0xffff) => return Ok(None),
                ids => return Ok(Some(ids)),
            }
        }
    }

    fn wait(&mut self) -> Result<(), RefusalReason> {
        let now = self.clock.now_ns();
        if now >= *self.deadline_ns.get_or_insert(now + READY_TIMEOUT_NS) {
            return Err(RefusalReason::NotReady);
        }
        while self.clock.now_ns() < now + RETRY_PAUSE_NS {
            spin_loop();
        }
        Ok(())
    }

    fn refuse(&mut self, space: Space, reason: RefusalReason) {
        self.found.refusals.push(Refusal { address: space.address(), reason });
    }
}

/// Checks a function's header, and returns the bus behind it if it is a bridge. `neighbours` are the buses behind other
/// bridges on `bus`.
fn check(space: Space, header: &Header, bus: Bus, neighbours: &[Bus]) -> Result<Option<Bus>, RefusalReason> {
    match header.kind {
        HeaderKind::Endpoint => Ok(None),
        HeaderKind::Unknown(layout) => Err(RefusalReason::Layout { layout }),
        // Its bus is numbered, and what is behind is left alone: sockets and their cards are not supported.
        HeaderKind::CardBus(_) => Ok(None),
        HeaderKind::Bridge(_) if !header.class.is_bridge() => Err(RefusalReason::BridgeOfClass { class: header.class }),
        HeaderKind::Bridge(bridge) => {
            check_buses(space, bridge.buses, bus, neighbours)?;
            let BusNumbers { secondary: number, subordinate: last, .. } = bridge.buses;
            Ok(Some(Bus { number, last, is_link: leads_to_link(space, header.kind), ..bus }))
        }
    }
}

fn check_buses(space: Space, buses: BusNumbers, bus: Bus, neighbours: &[Bus]) -> Result<(), RefusalReason> {
    let BusNumbers { secondary, subordinate, .. } = buses;
    // Bus numbers that are not constant could lead the walk in circles.
    let again = BusNumbers::read(space);
    if again != buses {
        let word = |buses: BusNumbers| u32::from_le_bytes([buses.primary, buses.secondary, buses.subordinate, 0]);
        return Err(RefusalReason::Changed { what: "bus numbers", first: word(buses), second: word(again) });
    }
    if secondary == 0 {
        return Err(RefusalReason::Unnumbered);
    }
    if secondary <= bus.number || subordinate < secondary || subordinate > bus.last {
        return Err(RefusalReason::Buses { buses, from: bus.number, last: bus.last });
    }
    match neighbours.iter().any(|other| secondary <= other.last && other.number <= subordinate) {
        true => Err(RefusalReason::BusTaken { buses }),
        false => Ok(()),
    }
}

fn leads_to_link(space: Space, kind: HeaderKind) -> bool {
    let express = CapabilityList::read(space, kind).find(Capability::EXPRESS);
    let express = express.filter(|offset| *offset <= 256 - ExpressCapability::MIN_BYTES);
    express.is_some_and(|offset| ExpressCapability::read(space, offset).port.leads_to_link())
}
