//! The interface of keyboards, and what their keys type.

mod layout;
mod reader;

use bitflags::bitflags;

pub use self::layout::{Typed, us};
pub use self::reader::{KeyReader, KeyReaderError};

/// A key, by its usage ID of the HID page for keyboards (HID Usage Tables, 10): where it is, not what is printed on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key(pub u8);

#[expect(missing_docs, reason = "the names of keys")]
impl Key {
    pub const A: Self = Self(0x04);
    pub const ENTER: Self = Self(0x28);
    pub const ESCAPE: Self = Self(0x29);
    pub const CAPS_LOCK: Self = Self(0x39);
    pub const NUM_LOCK: Self = Self(0x53);
    pub const LEFT_CONTROL: Self = Self(0xe0);
    pub const RIGHT_GUI: Self = Self(0xe7);

    /// Returns the modifier that the key is.
    #[must_use]
    pub fn modifier(self) -> Option<Modifiers> {
        let bit = self.0.checked_sub(Self::LEFT_CONTROL.0).filter(|bit| *bit < 8)?;
        Some(Modifiers::from_bits_truncate(1 << bit))
    }
}

bitflags! {
    /// The modifiers that are held, and the locks that are on.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct Modifiers: u16 {
        /// The left Control.
        const LEFT_CONTROL = 1 << 0;
        /// The left Shift.
        const LEFT_SHIFT = 1 << 1;
        /// The left Alt.
        const LEFT_ALT = 1 << 2;
        /// The left key with a logo.
        const LEFT_GUI = 1 << 3;
        /// The right Control.
        const RIGHT_CONTROL = 1 << 4;
        /// The right Shift.
        const RIGHT_SHIFT = 1 << 5;
        /// The right Alt.
        const RIGHT_ALT = 1 << 6;
        /// The right key with a logo.
        const RIGHT_GUI = 1 << 7;
        /// Caps Lock is on.
        const CAPS_LOCK = 1 << 8;
        /// Num Lock is on.
        const NUM_LOCK = 1 << 9;

        /// Either Control.
        const CONTROL = 1 << 0 | 1 << 4;
        /// Either Shift.
        const SHIFT = 1 << 1 | 1 << 5;
        /// Either Alt.
        const ALT = 1 << 2 | 1 << 6;
    }
}

/// A key that was pressed or released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyEvent {
    /// The key.
    pub key: Key,
    /// It was pressed.
    pub is_pressed: bool,
    /// The modifiers and locks at that time.
    pub modifiers: Modifiers,
}

/// A keyboard with any driver.
///
/// ```
/// use core::convert::Infallible;
/// use switchboard_drivers::interfaces::keyboard::{Key, KeyEvent, KeyboardDevice, Modifiers, us};
///
/// /// A keyboard on which one key is pressed all the time.
/// struct Stuck;
///
/// impl KeyboardDevice for Stuck {
///     type Error = Infallible;
///
///     async fn next_event(&mut self) -> Result<KeyEvent, Infallible> {
///         Ok(KeyEvent { key: Key::A, is_pressed: true, modifiers: Modifiers::LEFT_SHIFT })
///     }
/// }
///
/// let event = embassy_futures::block_on(Stuck.next_event())?;
/// assert_eq!(us(event).as_bytes(), b"A");
/// # Ok::<(), Infallible>(())
/// ```
pub trait KeyboardDevice {
    /// The error of a keyboard that was removed or has failed.
    type Error: core::error::Error + 'static;

    /// Waits for the next event. The future may be dropped before it is ready; no event is lost.
    ///
    /// # Errors
    /// The driver's own error, after which there is no other event.
    fn next_event(&mut self) -> impl Future<Output = Result<KeyEvent, Self::Error>>;

    /// Returns whether the keyboard was removed. The default is for keyboards that stay.
    fn is_gone(&self) -> bool {
        false
    }
}

/// A controller with keyboards, which may come and go.
pub trait KeyboardController {
    /// A keyboard of the controller.
    type Keyboard: KeyboardDevice + 'static;

    /// Returns a keyboard that is present and was not returned before.
    fn next_keyboard(&mut self) -> Option<Self::Keyboard>;
}
