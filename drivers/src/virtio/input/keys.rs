//! Keys: from the codes of evdev, which the device sends, to those of USB, which the interface has.

use crate::interfaces::keyboard::{Key, KeyEvent, Modifiers};

/// The type of events of keys (virtio 1.2, 5.8.6; Linux, `input-event-codes.h`).
pub(super) const KEY_EVENT: u16 = 1;
/// The code of the key A: what has it is a keyboard.
pub(super) const KEY_A: u16 = 30;

/// The USB usage (HID Usage Tables 1.3, 10) of each code from 1 on; 0 for none.
const USAGES: [u8; 127] = [
    // Escape, digits, minus, equal, backspace, tab.
    0x29, 0x1e, 0x1f, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x2d, 0x2e, 0x2a,
    0x2b, // Q to P, brackets, enter, left control.
    0x14, 0x1a, 0x08, 0x15, 0x17, 0x1c, 0x18, 0x0c, 0x12, 0x13, 0x2f, 0x30, 0x28,
    0xe0, // A to L, semicolon, apostrophe, grave.
    0x04, 0x16, 0x07, 0x09, 0x0a, 0x0b, 0x0d, 0x0e, 0x0f, 0x33, 0x34,
    0x35, // Left shift, backslash, Z to slash, right shift.
    0xe1, 0x31, 0x1d, 0x1b, 0x06, 0x19, 0x05, 0x11, 0x10, 0x36, 0x37, 0x38,
    0xe5, // Keypad asterisk, left alt, space, caps lock.
    0x55, 0xe2, 0x2c, 0x39, // F1 to F10, num lock, scroll lock.
    0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x40, 0x41, 0x42, 0x43, 0x53,
    0x47, // Keypad 7 to 9, minus, 4 to 6, plus, 1 to 3, 0, dot.
    0x5f, 0x60, 0x61, 0x56, 0x5c, 0x5d, 0x5e, 0x57, 0x59, 0x5a, 0x5b, 0x62,
    0x63, // 84, 85, the key of 102-key keyboards, F11, F12.
    0, 0, 0x64, 0x44, 0x45, // 89 to 95, keys of Japanese keyboards.
    0, 0, 0, 0, 0, 0, 0, // Keypad enter, right control, keypad slash, print screen, right alt, 101.
    0x58, 0xe4, 0x54, 0x46, 0xe6, 0, // Home, up, page up, left, right, end, down, page down, insert, delete.
    0x4a, 0x52, 0x4b, 0x50, 0x4f, 0x4d, 0x51, 0x4e, 0x49,
    0x4c, // 112 to 116, keypad equal, 118, pause, 120 to 124.
    0, 0, 0, 0, 0, 0x67, 0, 0x48, 0, 0, 0, 0, 0, // Left GUI, right GUI, 127: menu.
    0xe3, 0xe7, 0x65,
];

/// The keys that are held, and the locks.
#[derive(Debug, Default)]
pub(super) struct Keys {
    modifiers: Modifiers,
}

impl Keys {
    /// Returns the event of a code and its value: 0 released, 1 pressed, 2 repeated. `None` for a key that the interface does not have.
    pub(super) fn event(&mut self, code: u16, value: u32) -> Option<KeyEvent> {
        let usage = *USAGES.get(usize::from(code).checked_sub(1)?)?;
        if usage == 0 {
            return None;
        }
        let (key, is_pressed) = (Key(usage), value != 0);
        if let Some(modifier) = key.modifier() {
            self.modifiers.set(modifier, is_pressed);
        }
        if value == 1 {
            match key {
                Key::CAPS_LOCK => self.modifiers.toggle(Modifiers::CAPS_LOCK),
                Key::NUM_LOCK => self.modifiers.toggle(Modifiers::NUM_LOCK),
                _ => {}
            }
        }
        Some(KeyEvent { key, is_pressed, modifiers: self.modifiers })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_their_usages() {
        let mut keys = Keys::default();
        // KEY_A, KEY_Z, KEY_1, KEY_0, KEY_ENTER, KEY_SPACE, KEY_F12, KEY_UP, KEY_DELETE, KEY_KPENTER.
        let pairs = [
            (30, 0x04),
            (44, 0x1d),
            (2, 0x1e),
            (11, 0x27),
            (28, 0x28),
            (57, 0x2c),
            (88, 0x45),
            (103, 0x52),
            (111, 0x4c),
            (96, 0x58),
            (127, 0x65),
        ];
        for (code, usage) in pairs {
            assert_eq!(keys.event(code, 1).map(|event| event.key), Some(Key(usage)), "{code}");
        }
        for none in [0, 84, 128, u16::MAX] {
            assert_eq!(keys.event(none, 1), None);
        }
    }

    #[test]
    fn modifiers_are_held_and_locks_toggled() {
        let mut keys = Keys::default();
        let mut modifiers = |code, value| keys.event(code, value).expect("a key").modifiers;
        assert_eq!(modifiers(42, 1), Modifiers::LEFT_SHIFT);
        assert_eq!(modifiers(30, 1), Modifiers::LEFT_SHIFT);
        assert_eq!(modifiers(42, 0), Modifiers::empty());
        assert_eq!(modifiers(58, 1), Modifiers::CAPS_LOCK);
        assert_eq!(modifiers(58, 2), Modifiers::CAPS_LOCK);
        assert_eq!(modifiers(58, 0), Modifiers::CAPS_LOCK);
        assert_eq!(modifiers(58, 1), Modifiers::empty());
    }
}
