//! Short names, and long names in parts.

use alloc::string::String;
use alloc::vec::Vec;

use crate::bytes::u16_at;

/// The parts of a long name: at most 20, of 13 characters each.
const MAX_PARTS: u8 = 20;

/// A long name, whose parts come last to first.
#[derive(Debug, Default)]
pub(super) struct LongName {
    /// The characters so far, in UTF-16.
    units: Vec<u16>,
    /// The number of the part that comes next; 0 when the name is complete.
    next: u8,
    checksum: u8,
}

impl LongName {
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Adds a part. One that is out of order makes the name invalid.
    pub(super) fn push(&mut self, entry: &[u8; 32]) {
        let (number, is_last) = (entry[0] & 0x3f, entry[0] & 0x40 != 0);
        if is_last && (1..=MAX_PARTS).contains(&number) {
            (self.units, self.next, self.checksum) = (Vec::new(), number, entry[13]);
        }
        if number == 0 || number != self.next || entry[13] != self.checksum {
            return self.clear();
        }
        self.next -= 1;
        let places = (1..11).step_by(2).chain((14..26).step_by(2)).chain([28, 30]);
        let part = places.map(|at| u16_at(entry, at)).take_while(|unit| *unit != 0 && *unit != 0xffff);
        self.units.splice(0..0, part);
    }

    /// Returns the name, if it is complete and belongs to the short name of `entry`.
    pub(super) fn take(&mut self, entry: &[u8; 32]) -> Option<String> {
        let name = core::mem::take(self);
        if name.units.is_empty() || name.next != 0 || name.checksum != checksum(entry) {
            return None;
        }
        let characters = char::decode_utf16(name.units);
        Some(characters.map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
    }
}

/// Returns the checksum of a short name, which its long name has.
fn checksum(entry: &[u8; 32]) -> u8 {
    entry[..11].iter().fold(0_u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte))
}

/// Returns a short name, as "readme.txt". Characters beyond ASCII, whose code page is not known, become `_`.
pub(super) fn short_name(entry: &[u8; 32]) -> String {
    let mut name = String::new();
    // Windows stores names of one case as short names with these bits.
    let (is_lower_base, is_lower_extension) = (entry[12] & 0x08 != 0, entry[12] & 0x10 != 0);
    let mut push = |bytes: &[u8], is_lower: bool| {
        for byte in bytes.trim_ascii_end() {
            let character = if (0x21..0x7f).contains(byte) || *byte == b' ' { char::from(*byte) } else { '_' };
            name.push(if is_lower { character.to_ascii_lowercase() } else { character });
        }
        name.len()
    };
    let base = push(&entry[..8], is_lower_base);
    let whole = push(&entry[8..11], is_lower_extension);
    if whole > base {
        name.insert(base, '.');
    }
    name
}

/// Compares names without regard to case.
pub(super) fn is_same_name(one: &str, other: &str) -> bool {
    one == other || one.chars().flat_map(char::to_lowercase).eq(other.chars().flat_map(char::to_lowercase))
}
