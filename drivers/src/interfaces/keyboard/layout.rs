//! The US layout: what the keys of a keyboard type, as a terminal sends it.

use super::{Key, KeyEvent, Modifiers};

/// The bytes that an event types: none for a release or a modifier, one for a character, several for a key such as an arrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Typed {
    bytes: [u8; 6],
    length: u8,
}

impl Typed {
    fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if let Some(place) = self.bytes.get_mut(usize::from(self.length)) {
                (*place, self.length) = (*byte, self.length + 1);
            }
        }
    }

    /// Returns the bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length.into()).unwrap_or(&[])
    }
}

/// Digits and what is typed with Shift, from the key 1 to the key 0 (usages 0x1e to 0x27).
const DIGITS: [[u8; 2]; 10] = [*b"1!", *b"2@", *b"3#", *b"4$", *b"5%", *b"6^", *b"7&", *b"8*", *b"9(", *b"0)"];
/// From Enter to the slash (usages 0x28 to 0x38).
const OTHERS: [[u8; 2]; 17] = [
    *b"\r\r",
    *b"\x1b\x1b",
    *b"\x7f\x7f",
    *b"\t\t",
    *b"  ",
    *b"-_",
    *b"=+",
    *b"[{",
    *b"]}",
    *b"\\|",
    *b"#~",
    *b";:",
    *b"'\"",
    *b"`~",
    *b",<",
    *b".>",
    *b"/?",
];
/// The keypad, from the slash to the point (usages 0x54 to 0x63).
const KEYPAD: &[u8; 16] = b"/*-+\r1234567890.";
const SLASH: u8 = 0x38;

/// Returns what an event types on a keyboard with the US layout: characters of ASCII, control characters with Control, an ESC before
/// them with Alt, and for arrows and the like the sequences of a VT100.
///
/// ```
/// use switchboard_drivers::interfaces::keyboard::{Key, KeyEvent, Modifiers, us};
///
/// let typed = |key, modifiers| us(KeyEvent { key, is_pressed: true, modifiers });
/// assert_eq!(typed(Key::A, Modifiers::empty()).as_bytes(), b"a");
/// assert_eq!(typed(Key::A, Modifiers::CAPS_LOCK).as_bytes(), b"A");
/// assert_eq!(typed(Key::A, Modifiers::LEFT_CONTROL).as_bytes(), [1]);
/// assert_eq!(typed(Key(0x52), Modifiers::empty()).as_bytes(), b"\x1b[A", "the arrow up");
/// ```
#[must_use]
pub fn us(event: KeyEvent) -> Typed {
    let mut typed = Typed::default();
    if !event.is_pressed {
        return typed;
    }
    let KeyEvent { key: Key(usage), modifiers, .. } = event;
    let is_shifted = modifiers.intersects(Modifiers::SHIFT);
    let choose = |pair: [u8; 2]| pair[usize::from(is_shifted)];
    let character = match usage {
        0x04..=0x1d => {
            let letter = b'a' + (usage - 0x04);
            let is_upper = is_shifted != modifiers.contains(Modifiers::CAPS_LOCK);
            Some(if is_upper { letter.to_ascii_uppercase() } else { letter })
        }
        0x1e..=0x27 => Some(choose(DIGITS[usize::from(usage - 0x1e)])),
        0x28..=SLASH => Some(choose(OTHERS[usize::from(usage - 0x28)])),
        // The digits and the point of the keypad are arrows and the like while Num Lock is off.
        0x54..=0x58 => Some(KEYPAD[usize::from(usage - 0x54)]),
        0x59..=0x63 if modifiers.contains(Modifiers::NUM_LOCK) => Some(KEYPAD[usize::from(usage - 0x54)]),
        _ => None,
    };
    match character {
        Some(character) => {
            if modifiers.intersects(Modifiers::ALT) {
                typed.push(b"\x1b");
            }
            let is_control = modifiers.intersects(Modifiers::CONTROL);
            typed.push(&[if is_control { control(character) } else { character }]);
        }
        None => typed.push(sequence(usage)),
    }
    typed
}

/// Returns the control character of a letter and of the characters around the letters.
const fn control(character: u8) -> u8 {
    match character {
        b'a'..=b'z' | b'@'..=b'_' => character & 0x1f,
        b' ' => 0,
        other => other,
    }
}

/// Returns the sequence of a key that types no character.
const fn sequence(usage: u8) -> &'static [u8] {
    match usage {
        0x3a => b"\x1bOP",
        0x3b => b"\x1bOQ",
        0x3c => b"\x1bOR",
        0x3d => b"\x1bOS",
        0x49 | 0x62 => b"\x1b[2~",
        0x4a | 0x5f => b"\x1b[H",
        0x4b | 0x61 => b"\x1b[5~",
        0x4c | 0x63 => b"\x1b[3~",
        0x4d | 0x59 => b"\x1b[F",
        0x4e | 0x5b => b"\x1b[6~",
        0x4f | 0x5e => b"\x1b[C",
        0x50 | 0x5c => b"\x1b[D",
        0x51 | 0x5a => b"\x1b[B",
        0x52 | 0x60 => b"\x1b[A",
        _ => b"",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(usage: u8, modifiers: Modifiers) -> alloc::vec::Vec<u8> {
        us(KeyEvent { key: Key(usage), is_pressed: true, modifiers }).as_bytes().to_vec()
    }

    #[test]
    fn keys_type_what_is_printed_on_them() {
        let none = Modifiers::empty();
        let row: alloc::vec::Vec<u8> = (0x04..=0x27).flat_map(|usage| typed(usage, none)).collect();
        assert_eq!(row, b"abcdefghijklmnopqrstuvwxyz1234567890");
        let shifted: alloc::vec::Vec<u8> =
            (0x1e..=0x38).flat_map(|usage| typed(usage, Modifiers::RIGHT_SHIFT)).collect();
        assert_eq!(shifted, b"!@#$%^&*()\r\x1b\x7f\t _+{}|~:\"~<>?");
        assert_eq!(typed(0x06, Modifiers::LEFT_CONTROL), [3], "Control and C");
        assert_eq!(typed(0x04, Modifiers::CAPS_LOCK | Modifiers::LEFT_SHIFT), b"a");
        assert_eq!(typed(0x1e, Modifiers::CAPS_LOCK), b"1");
        assert_eq!(typed(0x05, Modifiers::LEFT_ALT), b"\x1bb");
    }

    #[test]
    fn the_keypad_types_digits_while_num_lock_is_on() {
        assert_eq!(
            (typed(0x59, Modifiers::NUM_LOCK), typed(0x59, Modifiers::empty())),
            (b"1".to_vec(), b"\x1b[F".to_vec())
        );
        assert_eq!(
            (typed(0x62, Modifiers::NUM_LOCK), typed(0x63, Modifiers::empty())),
            (b"0".to_vec(), b"\x1b[3~".to_vec())
        );
        assert_eq!(typed(0x58, Modifiers::empty()), b"\r");
    }

    #[test]
    fn no_key_types_more_than_there_is_room_for() {
        for usage in 0..=u8::MAX {
            for bits in 0..1 << 10 {
                let modifiers = Modifiers::from_bits_truncate(bits);
                assert!(typed(usage, modifiers).len() <= 4);
                let event = KeyEvent { key: Key(usage), is_pressed: false, modifiers };
                assert_eq!(us(event).as_bytes(), b"");
            }
        }
    }
}
