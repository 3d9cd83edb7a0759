//! One neighbour, and its place in the table.

use core::hash::Hasher;

use smoltcp::time::Instant;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Without an Ethernet address: so many solicitations were sent to the group.
    Incomplete(u8),
    /// It has answered lately.
    Reachable,
    /// It may have gone, and has not been sent to since.
    Stale,
    /// It was sent to, and may confirm by answering.
    Delay,
    /// So many solicitations were sent to its Ethernet address.
    Probe(u8),
}

#[derive(Debug)]
pub(super) struct Neighbor {
    pub(super) state: State,
    pub(super) mac: [u8; 6],
    /// When the state ends; [`NEVER`] for a stale one.
    pub(super) deadline: Instant,
    pub(super) used_at: Instant,
    /// It has answered since the state began.
    pub(super) is_confirmed: bool,
    pub(super) is_router: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key(pub(super) u128);

impl core::hash::Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(self.0);
    }
}

/// A hash function for addresses: two multiplications.
#[derive(Default)]
pub(super) struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64((*byte).into()));
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0 ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }

    fn write_u128(&mut self, value: u128) {
        let half = |value: u128| u64::try_from(value & u128::from(u64::MAX)).unwrap_or_default();
        self.write_u64(half(value >> 64));
        self.write_u64(half(value));
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
