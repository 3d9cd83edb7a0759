//! The generator: ChaCha20 with a key that each request replaces.

use chacha20::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

/// The size of a key in bytes.
pub(super) const KEY_BYTES: usize = 32;

/// A generator of keys, from each of which random bytes are expanded.
#[derive(Debug)]
pub(super) struct Generator {
    key: [u8; KEY_BYTES],
    is_seeded: bool,
}

impl Generator {
    /// Makes a generator without a seed.
    pub(super) const fn new() -> Self {
        Self { key: [0; KEY_BYTES], is_seeded: false }
    }

    /// Returns `true` once: then the caller mixes in a seed.
    pub(super) fn begin_seeding(&mut self) -> bool {
        !core::mem::replace(&mut self.is_seeded, true)
    }

    /// Mixes bytes into the key, as CTR_DRBG does (SP 800-90A, 10.2.1.2) with ChaCha20 as its cipher: known or
    /// chosen bytes do not reveal the key, and the former key alone does not give the new one.
    pub(super) fn mix(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(KEY_BYTES) {
            self.key = expand_key(self.key);
            self.key.iter_mut().zip(part).for_each(|(key, byte)| *key ^= byte);
        }
        self.key = expand_key(self.key);
    }

    /// Returns a key to expand, and replaces the own one.
    pub(super) fn next_key(&mut self) -> [u8; KEY_BYTES] {
        let mut rng = ChaCha20Rng::from_seed(self.key);
        rng.fill_bytes(&mut self.key);
        let mut key = [0; KEY_BYTES];
        rng.fill_bytes(&mut key);
        key
    }
}

/// Returns the next key of a key.
fn expand_key(key: [u8; KEY_BYTES]) -> [u8; KEY_BYTES] {
    let mut next = [0; KEY_BYTES];
    ChaCha20Rng::from_seed(key).fill_bytes(&mut next);
    next
}

/// Fills `bytes` from a key that is used for nothing else.
pub(super) fn expand(key: [u8; KEY_BYTES], bytes: &mut [u8]) {
    ChaCha20Rng::from_seed(key).fill_bytes(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_that_is_mixed_in_changes_the_keys() {
        let mut keys = alloc::collections::BTreeSet::new();
        for bit in 0..512 {
            let mut seed = [0; 64];
            seed[bit / 8] = 1 << (bit % 8);
            let mut generator = Generator::new();
            generator.mix(&seed);
            assert!(keys.insert(generator.next_key()));
            assert!(keys.insert(generator.next_key()));
        }
    }

    #[test]
    fn a_key_is_replaced_when_it_was_used() {
        let mut generator = Generator::new();
        generator.mix(b"seed");
        let before = generator.key;
        let (first, second) = (generator.next_key(), generator.next_key());
        assert_ne!(first, second);
        assert!(generator.key != before && generator.key != first && generator.key != second);
    }

    #[test]
    fn equal_seeds_give_equal_bytes() {
        let bytes = |seed: &[u8]| {
            let mut generator = Generator::new();
            generator.mix(seed);
            let mut bytes = [0; 100];
            expand(generator.next_key(), &mut bytes);
            bytes
        };
        assert_eq!(bytes(b"one"), bytes(b"one"));
        assert_ne!(bytes(b"one"), bytes(b"two"));
        let ones: u32 = bytes(b"one").iter().map(|byte| byte.count_ones()).sum();
        assert!((300..500).contains(&ones), "{ones} of 800 bits are set");
    }

    #[test]
    fn the_seed_is_asked_for_once() {
        let mut generator = Generator::new();
        assert!(generator.begin_seeding());
        assert!(!generator.begin_seeding());
    }
}
