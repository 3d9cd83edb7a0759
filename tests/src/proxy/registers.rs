//! Registers behind the BARs of a proxied function.

use core::fmt;
use std::collections::BTreeMap;

/// The registers behind the BARs.
pub trait Registers: fmt::Debug + Send {
    /// Returns the value of a read of `width` bytes.
    fn read(&mut self, bar: usize, offset: u64, width: usize) -> u64;

    /// Handles a write of `width` bytes.
    fn write(&mut self, bar: usize, offset: u64, width: usize, value: u64);
}

/// Registers that store what is written, byte by byte, and are zero at first.
#[derive(Debug, Default, Clone)]
pub struct Stored {
    bytes: BTreeMap<(usize, u64), u8>,
}

impl Registers for Stored {
    fn read(&mut self, bar: usize, offset: u64, width: usize) -> u64 {
        let mut value = [0; 8];
        for (byte, place) in value.iter_mut().take(width).zip(offset..) {
            *byte = self.bytes.get(&(bar, place)).copied().unwrap_or(0);
        }
        u64::from_le_bytes(value)
    }

    fn write(&mut self, bar: usize, offset: u64, width: usize, value: u64) {
        for (byte, place) in value.to_le_bytes().into_iter().take(width).zip(offset..) {
            self.bytes.insert((bar, place), byte);
        }
    }
}

/// Registers that read all ones, as an address that nothing decodes.
#[derive(Debug, Default, Clone, Copy)]
pub struct Ones;

impl Registers for Ones {
    fn read(&mut self, _: usize, _: u64, _: usize) -> u64 {
        u64::MAX
    }

    fn write(&mut self, _: usize, _: u64, _: usize, _: u64) {}
}

/// Registers that return arbitrary values: the same for the same seed and the same reads.
#[derive(Debug, Clone)]
pub struct Garbage {
    state: u64,
    stored: Stored,
}

impl Garbage {
    /// Creates registers whose values depend on `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { state: seed, stored: Stored { bytes: BTreeMap::new() } }
    }

    /// Returns the next random number (splitmix64).
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ self.state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}

impl Registers for Garbage {
    /// Returns mostly what was written, so that a driver does not fail at its first register; else zero, ones or noise.
    fn read(&mut self, bar: usize, offset: u64, width: usize) -> u64 {
        match self.next() % 8 {
            0..5 => self.stored.read(bar, offset, width),
            5 => 0,
            6 => u64::MAX,
            _ => self.next(),
        }
    }

    fn write(&mut self, bar: usize, offset: u64, width: usize, value: u64) {
        self.stored.write(bar, offset, width, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_registers_keep_bytes() {
        let mut registers = Stored::default();
        registers.write(1, 4, 4, 0x1234_5678);
        registers.write(1, 5, 1, 0xff);
        assert_eq!(registers.read(1, 4, 4), 0x1234_ff78);
        assert_eq!(registers.read(1, 6, 2), 0x1234);
        assert_eq!(registers.read(0, 4, 4), 0, "another BAR");
    }

    #[test]
    fn garbage_is_the_same_again() {
        let (mut one, mut same, mut other) = (Garbage::new(7), Garbage::new(7), Garbage::new(8));
        let draw = |garbage: &mut Garbage| (0..64).map(|place| garbage.read(0, place, 4)).collect::<Vec<_>>();
        let first = draw(&mut one);
        assert_eq!(first, draw(&mut same));
        assert_ne!(first, draw(&mut other));
    }
}
