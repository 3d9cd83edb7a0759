//! The class of keyboards.

use alloc::boxed::Box;
use core::error::Error;
use core::fmt;
use core::pin::Pin;

use switchboard_drivers::interfaces::keyboard::{KeyEvent, KeyboardDevice};

use super::{DeviceClass, DeviceOptions, FromDriver};

/// A keyboard with any driver. It is a [`KeyboardDevice`] itself: see there, and
/// [`KeyReader`](switchboard_drivers::interfaces::keyboard::KeyReader) for what its keys type.
///
/// ```
/// use core::convert::Infallible;
/// use embedded_io_async::Read;
/// use switchboard_drivers::interfaces::keyboard::{Key, KeyEvent, KeyReader, KeyboardDevice, Modifiers};
/// use switchboard_runtime::devices::{DeviceOptions, FromDriver, Keyboard};
///
/// /// A keyboard whose key A is pressed all the time.
/// struct Stuck;
///
/// impl KeyboardDevice for Stuck {
///     type Error = Infallible;
///
///     async fn next_event(&mut self) -> Result<KeyEvent, Infallible> {
///         Ok(KeyEvent { key: Key::A, is_pressed: true, modifiers: Modifiers::empty() })
///     }
/// }
///
/// let mut reader = KeyReader::new(Keyboard::from_driver(Stuck, DeviceOptions::default()));
/// let mut bytes = [0; 3];
/// embassy_futures::block_on(reader.read_exact(&mut bytes)).expect("keys");
/// assert_eq!(&bytes, b"aaa");
/// ```
pub struct Keyboard(Box<dyn Keys>);

type Waiting<'a> = Pin<Box<dyn Future<Output = Result<KeyEvent, KeyboardError>> + 'a>>;

trait Keys {
    fn next_event(&mut self) -> Waiting<'_>;
    fn is_gone(&self) -> bool;
}

impl<D: KeyboardDevice> Keys for D {
    fn next_event(&mut self) -> Waiting<'_> {
        Box::pin(async { KeyboardDevice::next_event(self).await.map_err(|error| KeyboardError(Box::new(error))) })
    }

    fn is_gone(&self) -> bool {
        KeyboardDevice::is_gone(self)
    }
}

/// The driver's own error of a keyboard.
#[derive(Debug)]
pub struct KeyboardError(Box<dyn Error>);

impl fmt::Display for KeyboardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for KeyboardError {}

impl KeyboardDevice for Keyboard {
    type Error = KeyboardError;

    async fn next_event(&mut self) -> Result<KeyEvent, KeyboardError> {
        self.0.next_event().await
    }

    fn is_gone(&self) -> bool {
        self.0.is_gone()
    }
}

impl Keyboard {
    /// Returns whether the keyboard was removed.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.0.is_gone()
    }
}

impl DeviceClass for Keyboard {}

impl<D: KeyboardDevice + 'static> FromDriver<D> for Keyboard {
    fn from_driver(driver: D, _options: DeviceOptions) -> Self {
        Self(Box::new(driver))
    }
}

impl fmt::Debug for Keyboard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyboard").finish_non_exhaustive()
    }
}
