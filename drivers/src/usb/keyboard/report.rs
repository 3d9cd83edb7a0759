//! The reports of keyboards in the boot protocol (HID 1.11, appendix B.1).

use crate::interfaces::keyboard::{Key, KeyEvent, Modifiers};

/// The bytes of a report: modifiers, one that is reserved, and six keys.
pub(super) const REPORT_BYTES: usize = 8;
/// A report without a key: more are pressed than it has room for.
const ROLL_OVER: u8 = 1;
/// Keys begin here.
const FIRST_KEY: u8 = 4;

/// What is pressed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Keys {
    modifiers: u8,
    keys: [u8; 6],
    pub(super) locks: Modifiers,
}

impl Keys {
    /// Takes a report, and calls `note` with what has changed: releases first.
    pub(super) fn take(&mut self, report: &[u8], mut note: impl FnMut(KeyEvent)) {
        let &[modifiers, _, k0, k1, k2, k3, k4, k5, ..] = report else { return };
        let keys = [k0, k1, k2, k3, k4, k5];
        for bit in 0..8 {
            let (was, is) = (self.modifiers >> bit & 1, modifiers >> bit & 1);
            if was != is {
                self.modifiers ^= 1 << bit;
                note(self.event(Key(Key::LEFT_CONTROL.0 + bit), is == 1));
            }
        }
        if keys.contains(&ROLL_OVER) {
            return;
        }
        let (old, _) = (self.keys, self.keys = keys);
        let real = |key: &u8| *key >= FIRST_KEY;
        for key in old.into_iter().filter(real).filter(|key| !keys.contains(key)) {
            note(self.event(Key(key), false));
        }
        for (at, key) in keys.into_iter().enumerate().filter(|(_, key)| real(key)) {
            if old.contains(&key) || keys[..at].contains(&key) {
                continue;
            }
            match Key(key) {
                Key::CAPS_LOCK => self.locks.toggle(Modifiers::CAPS_LOCK),
                Key::NUM_LOCK => self.locks.toggle(Modifiers::NUM_LOCK),
                _ => {}
            }
            note(self.event(Key(key), true));
        }
    }

    fn event(&self, key: Key, is_pressed: bool) -> KeyEvent {
        let modifiers = Modifiers::from_bits_truncate(self.modifiers.into()) | self.locks;
        KeyEvent { key, is_pressed, modifiers }
    }

    /// Returns the report to the keyboard, with its lights (appendix B.1).
    pub(super) const fn lights(&self) -> u8 {
        self.locks.contains(Modifiers::NUM_LOCK) as u8 | (self.locks.contains(Modifiers::CAPS_LOCK) as u8) << 1
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn take(keys: &mut Keys, report: [u8; 8]) -> Vec<(u8, bool, u16)> {
        let mut events = Vec::new();
        keys.take(&report, |event| events.push((event.key.0, event.is_pressed, event.modifiers.bits())));
        events
    }

    #[test]
    fn reports_become_events() {
        let mut keys = Keys::default();
        assert_eq!(take(&mut keys, [0, 0, 4, 0, 0, 0, 0, 0]), [(4, true, 0)]);
        assert_eq!(take(&mut keys, [2, 0, 4, 5, 0, 0, 0, 0]), [(0xe1, true, 2), (5, true, 2)]);
        assert_eq!(take(&mut keys, [2, 0, 5, 0, 0, 0, 0, 0]), [(4, false, 2)], "keys change their places");
        assert_eq!(take(&mut keys, [0; 8]), [(0xe1, false, 0), (5, false, 0)]);
        assert_eq!(take(&mut keys, [0, 0, 1, 1, 1, 1, 1, 1]), [], "roll-over");
        assert_eq!(take(&mut keys, [0, 0, 9, 9, 0, 0, 0, 0]), [(9, true, 0)], "a key twice is pressed once");
        keys.take(&[0, 0, 7], |event| panic!("{event:?} from a report that is cut off"));
    }

    #[test]
    fn locks_change_with_each_press() {
        let mut keys = Keys::default();
        assert_eq!(take(&mut keys, [0, 0, 0x39, 0, 0, 0, 0, 0]), [(0x39, true, 1 << 8)]);
        assert_eq!((take(&mut keys, [0; 8]), keys.lights()), ([(0x39, false, 1 << 8)].to_vec(), 2));
        assert_eq!(take(&mut keys, [0, 0, 0x39, 0x53, 0, 0, 0, 0]), [(0x39, true, 0), (0x53, true, 1 << 9)]);
        assert_eq!(keys.lights(), 1);
    }
}
