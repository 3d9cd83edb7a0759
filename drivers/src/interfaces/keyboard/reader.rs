//! A keyboard as a stream of bytes.

use embedded_io_async::{ErrorKind, ErrorType, Read};

use super::{KeyboardDevice, Typed, us};

/// A keyboard as a stream of the bytes that its keys type, with the [US layout](us): as a terminal sends them, so that whatever reads
/// from a terminal can be typed into.
///
/// ```
/// # use core::convert::Infallible;
/// # use switchboard_drivers::interfaces::keyboard::{Key, KeyEvent, KeyboardDevice, Modifiers};
/// use embedded_io_async::Read;
/// use switchboard_drivers::interfaces::keyboard::KeyReader;
/// # struct Script(Vec<u8>);
/// # impl KeyboardDevice for Script {
/// #     type Error = Infallible;
/// #     async fn next_event(&mut self) -> Result<KeyEvent, Infallible> {
/// #         Ok(KeyEvent { key: Key(self.0.remove(0)), is_pressed: true, modifiers: Modifiers::empty() })
/// #     }
/// # }
/// # // The keys L and S, the arrow up, and Enter.
/// # let keyboard = Script(vec![0x0f, 0x16, 0x52, 0x28]);
///
/// // The keys L, S, the arrow up, and Enter are pressed.
/// let mut reader = KeyReader::new(keyboard);
/// let mut bytes = [0; 6];
/// embassy_futures::block_on(reader.read_exact(&mut bytes)).expect("keys");
/// assert_eq!(&bytes, b"ls\x1b[A\r");
/// ```
#[derive(Debug)]
pub struct KeyReader<K> {
    keyboard: K,
    typed: Typed,
    /// How many bytes of it were read.
    taken: usize,
}

impl<K: KeyboardDevice> KeyReader<K> {
    /// Returns the stream of a keyboard.
    pub fn new(keyboard: K) -> Self {
        Self { keyboard, typed: Typed::default(), taken: 0 }
    }
}

/// The error of a keyboard, as one of a stream.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct KeyReaderError<E: core::error::Error>(pub E);

impl<E: core::error::Error> embedded_io_async::Error for KeyReaderError<E> {
    fn kind(&self) -> ErrorKind {
        ErrorKind::NotConnected
    }
}

impl<K: KeyboardDevice> ErrorType for KeyReader<K> {
    type Error = KeyReaderError<K::Error>;
}

impl<K: KeyboardDevice> Read for KeyReader<K> {
    /// Waits for a key that types something. Dropping the future loses no key.
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Self::Error> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while self.taken == self.typed.as_bytes().len() {
            let event = self.keyboard.next_event().await.map_err(KeyReaderError)?;
            (self.typed, self.taken) = (us(event), 0);
        }
        let rest = &self.typed.as_bytes()[self.taken..];
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.taken += length;
        Ok(length)
    }
}
