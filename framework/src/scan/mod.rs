//! The scan: numbers the buses, walks them, and assigns the addresses that firmware did not.

mod assignment;
mod numbering;
mod walk;

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::config::{Header, HeaderKind, Refusal, RefusalReason, Space};
use crate::inventory::Record;
use crate::machine::Machine;
use crate::sort;
use assignment::assign;
use numbering::{last_reachable, number};
use walk::{Found, walk};

/// Returns the root buses, which no bridge leads to, with their segments.
fn roots(found: &Found) -> Vec<(u16, u8)> {
    let below: Vec<(u16, u8)> = found
        .functions
        .iter()
        .filter_map(|(space, header)| match header.kind {
            HeaderKind::Bridge(bridge) => Some((space.address().segment(), bridge.buses.secondary)),
            // A CardBus bridge may have no bus yet.
            HeaderKind::CardBus(buses) if buses.secondary != 0 => Some((space.address().segment(), buses.secondary)),
            _ => None,
        })
        .collect();
    let refused = found.refusals.iter().map(|refusal| refusal.address);
    let addresses = found.functions.iter().map(|(space, _)| space.address()).chain(refused);
    let mut roots: Vec<_> = addresses.map(|at| (at.segment(), at.bus())).filter(|bus| !below.contains(bus)).collect();
    sort::by_key(&mut roots, |root| *root);
    roots.dedup();
    roots
}

impl Machine {
    /// Finds every function and adds it to the inventory, with an address for each of its BARs: the one that firmware
    /// chose, if that is valid, or a free one. Bridges without bus numbers get numbers, and windows for the functions behind
    /// them. Functions that are in the inventory are not touched, so a later scan adds those that were inserted since.
    pub fn scan(&self) {
        let (Found { functions, mut refusals }, bridges) = self.walk_numbered();
        let known = self.inventory.records();
        let is_new = |address| known.iter().all(|record| record.address() != address);
        let mut new = Vec::new();
        for (space, header) in functions.into_iter().filter(|(space, _)| is_new(space.address())) {
            match Record::read(space, header) {
                Ok(record) => new.push(record),
                Err(reason) => refusals.push(Refusal { address: space.address(), reason }),
            }
        }
        self.inventory.refuse(refusals);
        let done = assign(self, &known, &mut new);
        if bridges + done.bars + done.windows > 0 {
            log::info!("assigned {} BARs, {} windows, {bridges} buses", done.bars, done.windows);
        }
        for record in new {
            self.add(Arc::new(record));
        }
    }

    /// Walks all buses. Where bridges were left out for their bus numbers, assigns numbers and walks again. Returns also how many
    /// bridges got new numbers.
    fn walk_numbered(&self) -> (Found, usize) {
        let found = walk(self.config, self.root_buses, self.clock);
        // A CardBus bridge without a bus is not refused, and gets numbers too.
        let is_unnumbered =
            |(_, header): &(Space, Header)| matches!(header.kind, HeaderKind::CardBus(buses) if buses.secondary == 0);
        let is_refused = found.refusals.iter().any(|refusal| refusal.reason.is_for_bus_numbers());
        if !is_refused && !found.functions.iter().any(is_unnumbered) {
            return (found, 0);
        }
        let roots = roots(&found);
        let number_tree = |&(segment, root): &(u16, u8)| {
            let next = roots.iter().filter(|(other, bus)| *other == segment && *bus > root).map(|(_, bus)| *bus).min();
            let last = next.map_or_else(|| last_reachable(self.config, segment), |next| next - 1);
            number(self.config, segment, root, last)
        };
        match roots.iter().map(number_tree).sum() {
            0 => (found, 0),
            bridges => (walk(self.config, self.root_buses, self.clock), bridges),
        }
    }

    fn add(&self, record: Arc<Record>) {
        self.inventory.insert(record.clone());
        // It may have been removed while it was decoded; then nothing that was read is valid.
        if self.confirm(&record).is_err() {
            log::warn!("{}: left out: {}", record.address(), RefusalReason::Gone);
        }
    }
}
