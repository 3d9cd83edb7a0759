//! A map of at most so many entries, of which the oldest makes room for a new one.

use alloc::collections::VecDeque;
use core::hash::{BuildHasher, Hash};

use hashbrown::HashMap;
use siphasher::sip::SipHasher13;

/// Hashes what peers choose with a secret key, so that they cannot choose collisions.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyedHash(pub(super) u64, pub(super) u64);

impl BuildHasher for KeyedHash {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.0, self.1)
    }
}

impl KeyedHash {
    /// Returns the hash of a value.
    pub(super) fn hash(&self, value: impl Hash) -> u64 {
        self.hash_one(value)
    }
}

/// The entries for which an empty map keeps its memory.
const KEPT_ENTRIES: usize = 32;

/// A map with a maximum number of entries. It takes memory as it grows, and takes no entry without.
#[derive(Debug)]
pub(super) struct BoundedMap<K, V> {
    entries: HashMap<K, (u64, V), KeyedHash>,
    /// The keys with their stamps, oldest first; those whose stamp differs were removed or replaced.
    order: VecDeque<(K, u64)>,
    stamp: u64,
    capacity: usize,
}

impl<K: Copy + Eq + Hash, V> BoundedMap<K, V> {
    pub(super) fn new(capacity: usize, hash: KeyedHash) -> Self {
        Self { entries: HashMap::with_hasher(hash), order: VecDeque::new(), stamp: 0, capacity }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.entries.len() >= self.capacity
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|(_, value)| value)
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(key).map(|(_, value)| value)
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        self.entries.remove(key).map(|(_, value)| value)
    }

    /// Inserts or replaces an entry, as the newest. Removes the oldest if there are too many. Returns whether there was
    /// memory for it.
    pub(super) fn insert(&mut self, key: K, value: V) -> bool {
        if self.order.len() >= self.capacity * 2 {
            let entries = &self.entries;
            self.order.retain(|(key, stamp)| entries.get(key).is_some_and(|(newest, _)| newest == stamp));
        }
        if self.entries.try_reserve(1).is_err() || self.order.try_reserve(1).is_err() {
            return false;
        }
        if !self.entries.contains_key(&key) && self.is_full() {
            self.remove_oldest();
        }
        self.stamp += 1;
        self.entries.insert(key, (self.stamp, value));
        self.order.push_back((key, self.stamp));
        true
    }

    /// Returns the oldest entry.
    pub(super) fn oldest(&mut self) -> Option<(K, &V)> {
        loop {
            let (key, stamp) = *self.order.front()?;
            match self.entries.get(&key) {
                Some((newest, _)) if *newest == stamp => break,
                _ => self.order.pop_front(),
            };
        }
        let (key, _) = *self.order.front()?;
        self.entries.get(&key).map(|(_, value)| (key, value))
    }

    pub(super) fn remove_oldest(&mut self) {
        if let Some((key, _)) = self.oldest() {
            self.entries.remove(&key);
        }
    }

    /// Keeps the entries for which `keep` returns `true`.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        self.entries.retain(|key, (_, value)| keep(key, value));
        if self.entries.is_empty() {
            self.order.clear();
            // After a burst.
            self.entries.shrink_to(KEPT_ENTRIES);
            self.order.shrink_to(KEPT_ENTRIES);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter().map(|(key, (_, value))| (key, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_makes_room_and_a_replaced_entry_is_new() {
        let mut map = BoundedMap::new(3, KeyedHash(1, 2));
        for key in 0..3 {
            assert!(map.insert(key, key * 10));
        }
        assert!(map.insert(0, 5), "replaced");
        assert!(map.is_full() && map.insert(3, 30));
        assert_eq!((map.get(&1), map.get(&0)), (None, Some(&5)));
        assert_eq!(map.oldest().map(|(key, value)| (key, *value)), Some((2, 20)));
        assert_eq!(map.remove(&2), Some(20));
        assert_eq!(map.oldest().map(|(key, _)| key), Some(0));
        for round in 0..1000 {
            assert!(map.insert(round % 7, round));
            assert!(map.order.len() <= 6);
        }
        map.retain(|_, _| false);
        assert!(map.is_empty() && map.oldest().is_none());

        let mut map = BoundedMap::new(1000, KeyedHash(1, 2));
        assert!((0..2000).all(|key| map.insert(key, key)));
        map.retain(|_, _| false);
        assert!(map.entries.capacity() <= KEPT_ENTRIES * 2 && map.order.capacity() <= KEPT_ENTRIES * 2);
    }
}
