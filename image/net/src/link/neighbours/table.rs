//! A hash table of neighbours by their IPv4 address, whose slots keep their place.

use alloc::vec::Vec;

use super::neighbour::{Neighbour, State};

/// The maximum number of neighbours of an interface.
const MAX_NEIGHBOURS: usize = 2048;
/// Buckets of a new table; it doubles whenever half of them are used.
const MIN_BUCKETS: usize = 64;
/// Marks a bucket without a slot.
const EMPTY: u16 = u16::MAX;

/// # Invariants
/// `buckets` has a power of two of entries, of which more than half are empty; each slot that is not vacant is in
/// exactly one, at its hash or, without an empty bucket between, after it. `free` has the vacant slots.
pub(super) struct Table {
    slots: Vec<Neighbour>,
    free: Vec<u16>,
    buckets: Vec<u16>,
    /// The multiplier of the hash function, random and odd: a peer cannot choose addresses that collide.
    multiplier: u64,
    /// Where the next search for a slot to evict begins.
    hand: usize,
}

impl Table {
    pub(super) const fn new(seed: u64) -> Self {
        Self { slots: Vec::new(), free: Vec::new(), buckets: Vec::new(), multiplier: seed | 1, hand: 0 }
    }

    #[inline]
    fn bucket_of(&self, address: u32) -> usize {
        let hash = u64::from(address).wrapping_mul(self.multiplier);
        (hash >> 32) as usize & (self.buckets.len() - 1)
    }

    /// Returns the slot of a neighbour.
    #[inline]
    pub(super) fn find(&self, address: u32) -> Option<u16> {
        if self.buckets.is_empty() {
            return None;
        }
        let mut bucket = self.bucket_of(address);
        loop {
            let slot = self.buckets[bucket];
            if slot == EMPTY {
                return None;
            }
            if self.slots[usize::from(slot)].address == address {
                return Some(slot);
            }
            bucket = (bucket + 1) & (self.buckets.len() - 1);
        }
    }

    /// Returns the neighbour in a slot.
    #[inline]
    pub(super) fn get(&mut self, slot: u16) -> &mut Neighbour {
        &mut self.slots[usize::from(slot)]
    }

    /// Adds a neighbour that is not in the table. If it is full or there is no memory, replaces one that `is_evictable`
    /// accepts, the one with the lowest `rank` of a few; `None` if there is none.
    pub(super) fn insert(&mut self, neighbour: Neighbour, rank: impl Fn(&Neighbour) -> Option<u64>) -> Option<u16> {
        let slot = match self.vacant_slot() {
            Some(slot) => slot,
            None => self.evict(rank)?,
        };
        self.slots[usize::from(slot)] = neighbour;
        self.link(slot);
        Some(slot)
    }

    /// Returns a slot that is vacant, with room in the buckets.
    fn vacant_slot(&mut self) -> Option<u16> {
        if let Some(slot) = self.free.pop() {
            return Some(slot);
        }
        if self.slots.len() >= MAX_NEIGHBOURS {
            return None;
        }
        if (self.slots.len() + 1) * 2 > self.buckets.len() {
            self.grow()?;
        }
        self.slots.try_reserve(1).ok()?;
        // So that a removal needs no memory.
        self.free.try_reserve(self.slots.len() + 1).ok()?;
        self.slots.push(Neighbour::vacant());
        u16::try_from(self.slots.len() - 1).ok()
    }

    fn grow(&mut self) -> Option<()> {
        let count = (self.buckets.len() * 2).max(MIN_BUCKETS);
        let mut buckets = Vec::new();
        buckets.try_reserve_exact(count).ok()?;
        buckets.resize(count, EMPTY);
        self.buckets = buckets;
        for slot in 0..self.slots.len() {
            if self.slots[slot].state != State::Vacant {
                self.link(u16::try_from(slot).ok()?);
            }
        }
        Some(())
    }

    /// Puts a slot into the first empty bucket from its hash on.
    fn link(&mut self, slot: u16) {
        let mut bucket = self.bucket_of(self.slots[usize::from(slot)].address);
        while self.buckets[bucket] != EMPTY {
            bucket = (bucket + 1) & (self.buckets.len() - 1);
        }
        self.buckets[bucket] = slot;
    }

    /// Removes the neighbour in a slot.
    pub(super) fn remove(&mut self, slot: u16) {
        if self.unlink(slot) {
            self.slots[usize::from(slot)] = Neighbour::vacant();
            self.free.push(slot);
        }
    }

    /// Takes a slot out of the buckets, and moves those behind it so that they are still found.
    fn unlink(&mut self, slot: u16) -> bool {
        let mask = self.buckets.len().wrapping_sub(1);
        let Some(mut hole) = self.buckets.iter().position(|other| *other == slot) else { return false };
        self.buckets[hole] = EMPTY;
        let mut bucket = hole;
        loop {
            bucket = (bucket + 1) & mask;
            let other = self.buckets[bucket];
            if other == EMPTY {
                return true;
            }
            let home = self.bucket_of(self.slots[usize::from(other)].address);
            // Its hash is not between the hole and its bucket: it would not be found behind the hole.
            if (bucket.wrapping_sub(home) & mask) >= (bucket.wrapping_sub(hole) & mask) {
                self.buckets[hole] = other;
                self.buckets[bucket] = EMPTY;
                hole = bucket;
            }
        }
    }

    /// Frees the slot with the lowest rank of a few, beginning where the last search ended.
    fn evict(&mut self, rank: impl Fn(&Neighbour) -> Option<u64>) -> Option<u16> {
        /// Slots with a rank that are compared.
        const SAMPLE: usize = 16;
        let count = self.slots.len();
        let candidates = (self.hand..count).chain(0..self.hand.min(count));
        let ranked = candidates.filter_map(|slot| Some((rank(&self.slots[slot])?, slot))).take(SAMPLE);
        let (_, slot) = ranked.min()?;
        self.hand = slot + 1;
        let slot = u16::try_from(slot).ok()?;
        self.unlink(slot).then_some(slot)
    }

    /// Returns the number of neighbours.
    pub(super) fn len(&self) -> usize {
        self.slots.iter().filter(|neighbour| neighbour.state != State::Vacant).count()
    }

    /// Calls `act` with each slot that is not vacant.
    pub(super) fn for_each(&mut self, mut act: impl FnMut(u16, &mut Neighbour)) {
        for (slot, neighbour) in (0..).zip(&mut self.slots) {
            if neighbour.state != State::Vacant {
                act(slot, neighbour);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(count: u32) -> Table {
        let mut table = Table::new(0x1234_5678_9abc_def1);
        for address in 0..count {
            assert!(table.insert(Neighbour::new(address * 3), |_| None).is_some(), "{address}");
        }
        table
    }

    #[test]
    fn neighbours_are_found_while_others_come_and_go() {
        let mut table = table(1000);
        for address in (0..1000).step_by(7) {
            let slot = table.find(address * 3).expect("it was added");
            table.remove(slot);
        }
        for address in 0..3000 {
            let is_there = address % 3 == 0 && (address / 3) % 7 != 0;
            assert_eq!(table.find(address).is_some(), is_there, "{address}");
            if let Some(slot) = table.find(address) {
                assert_eq!(table.get(slot).address, address);
            }
        }
        for address in (0..1000).step_by(7) {
            assert!(table.insert(Neighbour::new(address * 3), |_| None).is_some());
            assert!(table.find(address * 3).is_some());
        }
        let mut count = 0;
        table.for_each(|_, _| count += 1);
        assert_eq!((count, table.slots.len()), (1000, 1000), "the vacant slots were used");
    }

    #[test]
    fn a_full_table_evicts_what_may_be_evicted() {
        let count = u32::try_from(MAX_NEIGHBOURS).expect("it is small");
        let mut table = table(count);
        assert!(table.insert(Neighbour::new(1), |_| None).is_none());
        let slot = table.insert(Neighbour::new(1), |other| (other.address == 30).then_some(0)).expect("a place");
        assert_eq!(table.get(slot).address, 1);
        assert!(table.find(30).is_none() && table.find(1) == Some(slot) && table.find(33).is_some());
    }
}
