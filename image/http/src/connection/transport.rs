//! The byte streams below HTTP.

use alloc::rc::Rc;
use core::net::SocketAddr;
use core::pin::pin;
use core::task::{Context, Poll};

use switchboard_net::{Disconnected, TcpStream};

/// Bodies from this length on have larger buffers.
const LONG_BYTES: u64 = 32 * 1024;
/// The receive buffer of requests with such a body.
const LONG_RECEIVE_BYTES: usize = 64 * 1024;
/// The transmit buffer of such a response: a window of 64 KiB, and as much that is ready to be sent.
const LONG_TRANSMIT_BYTES: usize = 128 * 1024;

/// A byte stream that carries requests and responses: TCP, or TLS above it.
///
/// Both directions are buffers of the stream, which are read and written in place. Dropping a future that is not ready loses
/// nothing, and the task is woken by the stream all the same.
pub trait Transport {
    /// Waits for data and passes it to `read`, as one contiguous piece. `read` returns how many bytes it has consumed, and a
    /// result.
    ///
    /// # Errors
    /// [`Disconnected`] when no more data will arrive.
    #[expect(async_fn_in_trait, reason = "tasks stay on their CPU, so the futures need not be `Send`")]
    async fn read_with<R>(&self, read: impl FnOnce(&mut [u8]) -> (usize, R)) -> Result<R, Disconnected>;

    /// Waits for room and passes it to `write`, as one contiguous piece. `write` returns how many bytes it has written, and a
    /// result.
    ///
    /// # Errors
    /// [`Disconnected`] when nothing more can be sent.
    #[expect(async_fn_in_trait, reason = "tasks stay on their CPU, so the futures need not be `Send`")]
    async fn write_with<R>(&self, write: impl FnOnce(&mut [u8]) -> (usize, R)) -> Result<R, Disconnected>;

    /// Returns how many bytes were written and are not acknowledged yet.
    fn queued_bytes(&self) -> usize;

    /// Returns the address and port of the peer, while connected.
    fn peer(&self) -> Option<SocketAddr>;

    /// Closes the local side: what was written is still sent.
    fn close(&self);

    /// Resets the connection.
    fn abort(&self);

    /// Marks the connection as idle until more is read: it may be closed to make room for others.
    fn idle(&self) {}

    /// As [`write_with`](Self::write_with), and then [`idle`](Self::idle) if something was written.
    ///
    /// # Errors
    /// [`Disconnected`] when nothing more can be sent.
    #[expect(async_fn_in_trait, reason = "tasks stay on their CPU, so the futures need not be `Send`")]
    async fn write_last_with<R>(&self, write: impl FnOnce(&mut [u8]) -> (usize, R)) -> Result<R, Disconnected> {
        let write = |room: &mut [u8]| {
            let (length, result) = write(room);
            (length, (length, result))
        };
        let (length, result) = self.write_with(write).await?;
        if length > 0 {
            self.idle();
        }
        Ok(result)
    }

    /// Waits until there is room for `bytes`, or for half of what there is room for at most. Returns the room, which
    /// [`write_with`](Self::write_with) passes on in one piece or several; 0 if the transport does not know it.
    ///
    /// # Errors
    /// [`Disconnected`] when nothing more can be sent.
    fn poll_room(&self, _context: &mut Context<'_>, _bytes: usize) -> Poll<Result<usize, Disconnected>> {
        Poll::Ready(Ok(0))
    }

    /// Enlarges the buffers for a response of so many bytes, if that is of use and there is memory.
    fn expect_to_send(&self, _bytes: u64) {}

    /// Enlarges the buffers for a request with a body of so many bytes, and a response that may be as long.
    fn expect_to_receive(&self, _bytes: u64) {}

    /// Sends what the transport itself still holds when the last response was written, such as the end of TLS. The
    /// connection is closed then.
    #[expect(async_fn_in_trait, reason = "tasks stay on their CPU, so the futures need not be `Send`")]
    async fn finish(&self) {}
}

impl Transport for Rc<TcpStream> {
    async fn read_with<R>(&self, read: impl FnOnce(&mut [u8]) -> (usize, R)) -> Result<R, Disconnected> {
        Ok(TcpStream::read_with(self, read).await?)
    }

    async fn write_with<R>(&self, write: impl FnOnce(&mut [u8]) -> (usize, R)) -> Result<R, Disconnected> {
        Ok(TcpStream::write_with(self, write).await?)
    }

    async fn write_last_with<R>(&self, write: impl FnOnce(&mut [u8]) -> (usize, R)) -> Result<R, Disconnected> {
        Ok(TcpStream::write_last_with(self, write).await?)
    }

    fn poll_room(&self, context: &mut Context<'_>, bytes: usize) -> Poll<Result<usize, Disconnected>> {
        TcpStream::poll_room(self, context, bytes).map_err(Disconnected::from)
    }

    fn expect_to_send(&self, bytes: u64) {
        if bytes >= LONG_BYTES {
            self.enlarge_buffers(0, LONG_TRANSMIT_BYTES);
        }
    }

    fn expect_to_receive(&self, bytes: u64) {
        if bytes >= LONG_BYTES {
            self.enlarge_buffers(LONG_RECEIVE_BYTES, LONG_RECEIVE_BYTES);
        }
    }

    fn queued_bytes(&self) -> usize {
        TcpStream::queued_bytes(self)
    }

    fn peer(&self) -> Option<SocketAddr> {
        self.remote_endpoint()
    }

    fn close(&self) {
        TcpStream::close(self);
    }

    fn abort(&self) {
        TcpStream::abort(self);
    }

    fn idle(&self) {
        TcpStream::idle(self);
    }
}

/// The error of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamError {
    Disconnected,
    /// The peer sends too slowly.
    TimedOut,
}

/// A connection of any transport, for bodies, which outlive the function that knows the type.
pub(crate) trait ByteStream {
    /// As [`Transport::read_with`]. Returns [`StreamError::TimedOut`] when the peer sends too slowly.
    fn poll_read(
        &self,
        context: &mut Context<'_>,
        read: &mut dyn FnMut(&mut [u8]) -> usize,
    ) -> Poll<Result<(), StreamError>>;

    /// As [`Transport::write_with`].
    fn poll_write(
        &self,
        context: &mut Context<'_>,
        write: &mut dyn FnMut(&mut [u8]) -> usize,
    ) -> Poll<Result<(), Disconnected>>;

    /// As [`Transport::poll_room`].
    fn poll_room(&self, context: &mut Context<'_>, bytes: usize) -> Poll<Result<usize, Disconnected>>;

    /// Waits until the peer has closed its side, or the connection was reset. Data that the peer sends is left unread.
    fn poll_closed(&self, context: &mut Context<'_>) -> Poll<()>;

    /// As [`Transport::peer`].
    fn peer(&self) -> Option<SocketAddr>;
}

/// Polls a transport once for data.
pub(super) fn poll_read(
    transport: &impl Transport,
    context: &mut Context<'_>,
    read: &mut dyn FnMut(&mut [u8]) -> usize,
) -> Poll<Result<usize, Disconnected>> {
    let act = |data: &mut [u8]| {
        let length = read(data);
        (length, length)
    };
    pin!(transport.read_with(act)).poll(context)
}

/// Polls a transport once for room.
pub(super) fn poll_write(
    transport: &impl Transport,
    context: &mut Context<'_>,
    write: &mut dyn FnMut(&mut [u8]) -> usize,
) -> Poll<Result<usize, Disconnected>> {
    let act = |room: &mut [u8]| {
        let length = write(room);
        (length, length)
    };
    pin!(transport.write_with(act)).poll(context)
}

/// Writes all of `rest`.
pub(crate) async fn write_all(stream: &(impl ByteStream + ?Sized), mut rest: &[u8]) -> Result<(), Disconnected> {
    while !rest.is_empty() {
        let mut written = 0;
        let mut write = |room: &mut [u8]| {
            written = rest.len().min(room.len());
            room[..written].copy_from_slice(&rest[..written]);
            written
        };
        core::future::poll_fn(|context| stream.poll_write(context, &mut write)).await?;
        rest = &rest[written..];
    }
    Ok(())
}
