//! Asynchronous TCP connections.

use core::fmt;
use core::future::poll_fn;
use core::task::Poll;

use smoltcp::socket::tcp::{Socket, State};

use super::access::Access;
use super::error::TcpError;
use crate::stack::engine::now;
use crate::stack::handle::Stack;
use crate::stack::socket_table::SocketId;

/// A TCP connection: accepted by a [`TcpListener`](crate::TcpListener), or opened by [`connect`](Self::connect).
///
/// Its two directions are independent: one task may wait to read while another, or another part of it, waits to write;
/// [`split`](Self::split) makes two values of it. It is a reader and a writer of `embedded-io-async` 0.7.
///
/// Dropping it closes the connection: what was written is still sent, but if data was received and not read, the peer
/// receives a reset. An idle connection takes no buffers: they are allocated when something arrives or is written.
///
/// ```
/// use switchboard_net::{TcpConfig, TcpListener};
/// use switchboard_net_testing::TestNetwork;
///
/// let mut network = TestNetwork::new();
/// let listener = TcpListener::bind(network.stack(), 4000, TcpConfig::new(1024, 1024))?;
/// network.group().add(async move {
///     let stream = listener.accept().await;
///     let mut buffer = [0; 64];
///     while let Ok(length @ 1..) = stream.read(&mut buffer).await {
///         buffer[..length].make_ascii_uppercase();
///         let _ = stream.write(&buffer[..length]).await;
///     }
///     stream.close();
///     stream.flush().await;
/// });
/// assert_eq!(network.exchange(4000, b"hello"), b"HELLO");
/// # Ok::<_, switchboard_net::SocketError>(())
/// ```
pub struct TcpStream {
    pub(super) stack: Stack,
    pub(super) id: SocketId,
}

impl TcpStream {
    pub(super) fn new(stack: &Stack, id: SocketId) -> Self {
        Self { stack: stack.clone(), id }
    }

    /// Waits for data and passes it to `read`, in the receive buffer. `read` returns how many bytes it has consumed, and a
    /// result.
    ///
    /// The buffer is a ring: this is its first contiguous piece, and there may be more data.
    ///
    /// # Errors
    /// [`TcpError::Closed`] when the peer has closed its side and all was read, or why the connection has ended.
    pub fn read_with<R>(
        &self,
        read: impl FnOnce(&mut [u8]) -> (usize, R),
    ) -> impl Future<Output = Result<R, TcpError>> {
        let mut read = Some(read);
        poll_fn(move |context| {
            let engine = &mut *self.stack.borrow_mut();
            let (connection, socket) = match engine.reader(self.id, context) {
                Access::Live(connection, socket) => (connection, socket),
                Access::Done(result) => return result,
            };
            let Some(read) = read.take() else { return Poll::Ready(Err(TcpError::Closed)) };
            // The peer may be waiting for the window to open.
            let is_window_low =
                socket.recv_queue() > socket.recv_capacity() / 4 || socket.state() != State::Established;
            let result = socket.recv(|data| {
                let (length, result) = read(data);
                (length, (length, result))
            });
            let Ok((length, result)) = result else { return Poll::Ready(Err(TcpError::Closed)) };
            connection.read += length as u64;
            connection.idle_since = 0;
            if is_window_low {
                engine.queue_and_wake(self.id);
            }
            Poll::Ready(Ok(result))
        })
    }

    /// Waits for data and copies it into `buffer`. Returns the number of bytes; 0 when the peer has closed its side.
    ///
    /// # Errors
    /// Why the connection has ended.
    pub async fn read(&self, buffer: &mut [u8]) -> Result<usize, TcpError> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let copy = |data: &mut [u8]| {
            let length = data.len().min(buffer.len());
            buffer[..length].copy_from_slice(&data[..length]);
            (length, length)
        };
        match self.read_with(copy).await {
            Err(TcpError::Closed) => Ok(0),
            result => result,
        }
    }

    /// Waits for room and passes it to `write`, in the transmit buffer. `write` returns how many bytes it has written, and a
    /// result.
    ///
    /// The buffer is a ring: this is its first contiguous piece, and there may be more room.
    ///
    /// # Errors
    /// Why the connection has ended; [`TcpError::Closed`] when [`close`](Self::close) was called.
    pub fn write_with<R>(
        &self,
        write: impl FnOnce(&mut [u8]) -> (usize, R),
    ) -> impl Future<Output = Result<R, TcpError>> {
        self.write_and(write, false)
    }

    /// As [`write_with`](Self::write_with), and then [`idle`](Self::idle) if something was written: for a response that is
    /// written as a whole.
    ///
    /// # Errors
    /// As [`write_with`](Self::write_with).
    pub fn write_last_with<R>(
        &self,
        write: impl FnOnce(&mut [u8]) -> (usize, R),
    ) -> impl Future<Output = Result<R, TcpError>> {
        self.write_and(write, true)
    }

    #[inline]
    fn write_and<R>(
        &self,
        write: impl FnOnce(&mut [u8]) -> (usize, R),
        is_idle_then: bool,
    ) -> impl Future<Output = Result<R, TcpError>> {
        let mut write = Some(write);
        poll_fn(move |context| {
            let engine = &mut *self.stack.borrow_mut();
            // Only the order counts, so that unused numbers do no harm.
            engine.tcp.idle_count += u64::from(is_idle_then);
            let idle_count = engine.tcp.idle_count;
            let (connection, socket) = match engine.writer(self.id, context) {
                Access::Live(connection, socket) => (connection, socket),
                Access::Done(result) => return result,
            };
            let Some(write) = write.take() else { return Poll::Ready(Err(TcpError::Closed)) };
            let result = socket.send(|room| {
                let (length, result) = write(room);
                (length, (length, result))
            });
            let Ok((length, result)) = result else { return Poll::Ready(Err(TcpError::Closed)) };
            connection.written += length as u64;
            if is_idle_then && length > 0 {
                connection.idle_since = idle_count;
            }
            engine.queue_and_wake(self.id);
            Poll::Ready(Ok(result))
        })
    }

    /// Waits for room and copies as much of `data` as fits into the transmit buffer. Returns the number of bytes.
    ///
    /// # Errors
    /// Why the connection has ended; [`TcpError::Closed`] when [`close`](Self::close) was called.
    pub async fn write(&self, data: &[u8]) -> Result<usize, TcpError> {
        let copy = |room: &mut [u8]| {
            let length = data.len().min(room.len());
            room[..length].copy_from_slice(&data[..length]);
            (length, length)
        };
        if data.is_empty() { Ok(0) } else { self.write_with(copy).await }
    }

    /// Waits until the peer has acknowledged all that was written and the end of the data, or a reset was sent.
    pub async fn flush(&self) {
        poll_fn(|context| {
            let engine = &mut *self.stack.borrow_mut();
            let Some((_, Some(socket))) = engine.sockets.connection(self.id) else { return Poll::Ready(()) };
            if !has_unsent(socket) {
                return Poll::Ready(());
            }
            socket.register_send_waker(context.waker());
            Poll::Pending
        })
        .await;
    }

    /// Closes the local side: what was written is still sent, and what the peer sends is still received.
    pub fn close(&self) {
        let engine = &mut *self.stack.borrow_mut();
        // Without memory for a socket, it is closed when the stream is dropped.
        if engine.adopt(self.id, now()) || engine.adopt_to_close(self.id, now()) {
            engine.close(self.id);
        }
    }

    /// Resets the connection; [`flush`](Self::flush) waits until the reset was sent.
    pub fn abort(&self) {
        self.stack.borrow_mut().abort(self.id);
    }

    /// Marks the connection as idle until more is read: of all connections of a listener that has too many, the one that
    /// is idle for longest is closed, and its reader finds [`TcpError::Closed`]. A server calls this between requests.
    pub fn idle(&self) {
        let engine = &mut *self.stack.borrow_mut();
        engine.tcp.idle_count += 1;
        let idle_count = engine.tcp.idle_count;
        let Some((connection, _)) = engine.sockets.connection(self.id) else { return };
        connection.idle_since = idle_count;
    }
}

/// Returns whether a socket still has to send data, a FIN or a reset, or waits for their acknowledgement.
pub(super) fn has_unsent(socket: &Socket<'_>) -> bool {
    let state = socket.state();
    let has_data = socket.send_queue() > 0 && state != State::Closed;
    let has_fin = matches!(state, State::FinWait1 | State::Closing | State::LastAck);
    let has_reset = state == State::Closed && socket.remote_endpoint().is_some();
    has_data || has_fin || has_reset
}

impl Drop for TcpStream {
    fn drop(&mut self) {
        self.stack.borrow_mut().drop_stream(self.id);
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpStream").field("id", &self.id).finish_non_exhaustive()
    }
}
