//! The set of buses with functions, which can be read without a lock.

use crate::config::Address;
use crate::sync::primitives::{AtomicU64, Ordering};

/// The buses of segment 0 on which a function was found. A bus is never removed.
#[derive(Debug, Default)]
pub(crate) struct Buses {
    words: [AtomicU64; 4],
}

impl Buses {
    pub(crate) const fn new() -> Self {
        Self { words: [const { AtomicU64::new(0) }; 4] }
    }

    pub(crate) fn add(&self, address: Address) {
        let bus = address.bus();
        if address.segment() == 0 {
            self.words[usize::from(bus / 64)].fetch_or(1 << (bus % 64), Ordering::Relaxed);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = u8> {
        (0..=u8::MAX).filter(|bus| self.words[usize::from(bus / 64)].load(Ordering::Relaxed) & 1 << (bus % 64) != 0)
    }
}
