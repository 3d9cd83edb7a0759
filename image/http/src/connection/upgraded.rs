//! Streams of connections that another protocol has taken over.

use alloc::rc::Rc;
use core::fmt;
use core::future::poll_fn;
use core::net::SocketAddr;

use embedded_io_async::ErrorKind;
use switchboard_net::Disconnected;

use super::transport::{ByteStream, StreamError, write_all};

/// The byte stream of a connection after a response of 101: see
/// [`Response::upgrade`](crate::Response::upgrade). It is closed when it is dropped.
pub struct UpgradedStream {
    stream: Rc<dyn ByteStream>,
}

impl UpgradedStream {
    pub(super) fn new(stream: Rc<dyn ByteStream>) -> Self {
        Self { stream }
    }

    /// Waits for data and passes it to `read`, where it arrived. `read` returns how many bytes it has consumed, and a result.
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`Disconnected`] when no more data will arrive.
    pub async fn read_with<R>(&self, read: impl FnOnce(&mut [u8]) -> (usize, R)) -> Result<R, Disconnected> {
        let (mut read, mut result) = (Some(read), None);
        let mut act = |data: &mut [u8]| {
            let Some(read) = read.take() else { return 0 };
            let (taken, value) = read(data);
            result = Some(value);
            taken
        };
        let read = poll_fn(|context| self.stream.poll_read(context, &mut act));
        read.await.map_err(|_: StreamError| Disconnected)?;
        result.ok_or(Disconnected)
    }

    /// Waits for room, and passes it to `write`, which returns how many bytes it has written. Dropping the future loses
    /// nothing.
    ///
    /// # Errors
    /// [`Disconnected`] when the connection was reset or has timed out.
    pub async fn write_with(&self, mut write: impl FnMut(&mut [u8]) -> usize) -> Result<(), Disconnected> {
        poll_fn(|context| self.stream.poll_write(context, &mut write)).await
    }

    /// Writes all of `data`.
    ///
    /// # Errors
    /// [`Disconnected`] when the connection was reset or has timed out.
    pub async fn write_all(&self, data: &[u8]) -> Result<(), Disconnected> {
        write_all(&*self.stream, data).await
    }

    /// Returns the address and port of the peer, while connected.
    #[must_use]
    pub fn peer(&self) -> Option<SocketAddr> {
        self.stream.peer()
    }
}

impl embedded_io_async::ErrorType for UpgradedStream {
    type Error = ErrorKind;
}

impl embedded_io_async::Read for UpgradedStream {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let copy = |data: &mut [u8]| {
            let length = data.len().min(buffer.len());
            buffer[..length].copy_from_slice(&data[..length]);
            (length, length)
        };
        // A reset is not distinguished from the end.
        Ok(self.read_with(copy).await.unwrap_or(0))
    }
}

impl embedded_io_async::Write for UpgradedStream {
    async fn write(&mut self, data: &[u8]) -> Result<usize, ErrorKind> {
        let written = Self::write_all(self, data).await;
        written.map(|()| data.len()).map_err(|Disconnected| ErrorKind::ConnectionReset)
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

impl fmt::Debug for UpgradedStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UpgradedStream").field(&self.peer()).finish()
    }
}
