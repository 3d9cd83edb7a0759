//! The scan: numbers the buses, walks them, and puts in its place what firmware did not.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::assignment::assign;
use super::numbering::{last_reachable, number};
use super::record::Record;
use super::refusal::Refusal;
use super::walk::{Found, walk};
use crate::machine::Machine;

impl Machine {
    /// Finds every function there is and adds it to the inventory, with an address for each of its BARs: the one that
    /// firmware chose, if that is good, or one that is free. Bridges without bus numbers get some, and windows for
    /// what is behind them. Functions already there stay as they are, whoever has them; so this is also what finds
    /// those that were added while the machine runs.
    pub fn scan(&self) {
        let bridges = number(self.config, 0, 0, last_reachable(self.config));
        let known = self.records();
        let is_new = |address| known.iter().all(|record| record.address() != address);
        let Found { functions, mut refusals } = walk(self.config, self.clock);
        let mut new = Vec::new();
        for (space, header) in functions.into_iter().filter(|(space, _)| is_new(space.address())) {
            match Record::read(space, header) {
                Ok(record) => new.push(record),
                Err(reason) => refusals.push(Refusal { address: space.address(), reason }),
            }
        }
        self.refuse(refusals);
        let done = assign(self, &known, &mut new);
        if bridges + done.bars + done.windows > 0 {
            log::info!("assigned {} BARs, {} windows, {bridges} buses", done.bars, done.windows);
        }
        for record in new {
            self.add(Arc::new(record));
        }
    }

    fn add(&self, record: Arc<Record>) {
        self.inventory.insert(record.clone());
        // It may have gone while it was looked at, and what was read of it be worth nothing.
        if self.confirm(&record).is_err() {
            log::warn!("{}: left out: it went away while it was looked at", record.address());
        }
    }
}
