//! Asynchronous TCP sockets.

use alloc::vec;
use core::fmt;
use core::future::poll_fn;
use core::net::SocketAddr;
use core::task::{Context, Poll};

use smoltcp::socket::tcp::{RecvError, Socket, SocketBuffer, State};
use smoltcp::time::Duration;

use super::handle::Stack;
use super::socket_error::{Disconnected, SocketError};
use super::socket_table::SocketId;

/// The connection is reset when the peer acknowledges nothing for this long.
const PEER_TIMEOUT: Duration = Duration::from_secs(30);
/// The interval of keep-alive segments to a silent peer.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// A TCP socket.
///
/// Its two directions are independent: one task may wait to read while another, or another part of it, waits to write.
/// Dropping it forgets the connection; [`close`](Self::close) and [`flush`](Self::flush) it first, so that the peer
/// receives what was written. Most users need a [`Service`](crate::Service), which accepts and closes by itself.
///
/// ```
/// use switchboard_net::TcpSocket;
/// use switchboard_net_testing::TestNetwork;
///
/// let mut network = TestNetwork::new();
/// let socket = TcpSocket::new(network.stack(), 1024, 1024)?;
/// network.group().add(async move {
///     socket.accept(4000).await.expect("a valid port");
///     let mut buffer = [0; 64];
///     while let Ok(length @ 1..) = socket.read(&mut buffer).await {
///         buffer[..length].make_ascii_uppercase();
///         let _ = socket.write(&buffer[..length]).await;
///     }
///     socket.close();
///     socket.flush().await;
/// });
/// assert_eq!(network.exchange(4000, b"hello"), b"HELLO");
/// # Ok::<_, switchboard_net::SocketError>(())
/// ```
pub struct TcpSocket {
    stack: Stack,
    id: SocketId,
}

impl TcpSocket {
    /// Creates a socket with buffers of so many bytes. Nagle's algorithm is off, keep-alive is on.
    ///
    /// A peer that acknowledges nothing for 30 seconds is disconnected.
    ///
    /// # Errors
    /// [`SocketError::TooManySockets`] when the stack has its maximum of sockets.
    pub fn new(stack: &Stack, receive_bytes: usize, transmit_bytes: usize) -> Result<Self, SocketError> {
        let buffer = |bytes| SocketBuffer::new(vec![0; bytes]);
        let mut socket = Socket::new(buffer(receive_bytes), buffer(transmit_bytes));
        socket.set_nagle_enabled(false);
        socket.set_timeout(Some(PEER_TIMEOUT));
        socket.set_keep_alive(Some(KEEP_ALIVE));
        let id = stack.borrow_mut().sockets.add_tcp(socket).ok_or(SocketError::TooManySockets)?;
        Ok(Self { stack: stack.clone(), id })
    }

    /// Calls `act` with smoltcp's socket. `None` if it is not in the table, where it stays until `self` is dropped.
    fn with<R>(&self, act: impl FnOnce(&mut Socket<'static>) -> R) -> Option<R> {
        self.stack.borrow_mut().sockets.get::<Socket<'_>>(self.id).map(act)
    }

    /// As [`with`](Self::with), for calls that may change the socket's state or make it send.
    fn change<R>(&self, act: impl FnOnce(&mut Socket<'static>) -> R) -> Option<R> {
        let engine = &mut *self.stack.borrow_mut();
        let result = engine.sockets.get::<Socket<'_>>(self.id).map(act)?;
        engine.sockets.update_key(self.id);
        engine.queue_and_wake(self.id);
        Some(result)
    }

    /// Listens on `port`, and waits until a peer has connected.
    ///
    /// # Errors
    /// [`SocketError::InvalidPort`] for port 0.
    pub async fn accept(&self, port: u16) -> Result<(), SocketError> {
        let listening = self.change(|socket| socket.listen(port).map_err(|_| SocketError::InvalidPort));
        listening.ok_or(SocketError::TooManySockets)??;
        self.wait(|socket, context| match socket.state() {
            State::Listen | State::SynSent | State::SynReceived => {
                socket.register_send_waker(context.waker());
                None
            }
            _ => Some(()),
        })
        .await;
        Ok(())
    }

    /// Waits until `look` returns a result. If it returns `None`, it has registered the waker.
    async fn wait<R>(&self, mut look: impl FnMut(&mut Socket<'static>, &mut Context<'_>) -> Option<R>) -> R {
        poll_fn(|context| self.with(|socket| look(socket, context)).flatten().map_or(Poll::Pending, Poll::Ready)).await
    }

    /// Waits for data and passes it to `read`, in the receive buffer. `read` returns how many bytes it has consumed, and a
    /// result.
    ///
    /// The buffer is a ring: this is its first contiguous piece, and there may be more data.
    ///
    /// # Errors
    /// [`Disconnected`] when no more data will arrive.
    pub async fn read_with<R>(&self, read: impl FnOnce(&mut [u8]) -> (usize, R)) -> Result<R, Disconnected> {
        let mut read = Some(read);
        poll_fn(|context| {
            let engine = &mut *self.stack.borrow_mut();
            let Some(socket) = engine.sockets.get::<Socket<'_>>(self.id) else { return Poll::Ready(Err(Disconnected)) };
            if !socket.can_recv() {
                if !socket.may_recv() {
                    return Poll::Ready(Err(Disconnected));
                }
                socket.register_recv_waker(context.waker());
                return Poll::Pending;
            }
            let Some(read) = read.take() else { return Poll::Ready(Err(Disconnected)) };
            let result = socket.recv(read).map_err(|_: RecvError| Disconnected);
            // The peer may be waiting for the window to open.
            engine.queue_and_wake(self.id);
            Poll::Ready(result)
        })
        .await
    }

    /// Waits for data and copies it into `buffer`. Returns the number of bytes; 0 when the peer has closed its side.
    ///
    /// # Errors
    /// [`Disconnected`] when the connection was reset or has timed out.
    pub async fn read(&self, buffer: &mut [u8]) -> Result<usize, Disconnected> {
        poll_fn(|context| {
            let engine = &mut *self.stack.borrow_mut();
            let Some(socket) = engine.sockets.get::<Socket<'_>>(self.id) else { return Poll::Ready(Err(Disconnected)) };
            match socket.recv_slice(buffer) {
                Ok(0) if !buffer.is_empty() => {
                    socket.register_recv_waker(context.waker());
                    Poll::Pending
                }
                Ok(length) => {
                    engine.queue_and_wake(self.id);
                    Poll::Ready(Ok(length))
                }
                Err(RecvError::Finished) => Poll::Ready(Ok(0)),
                Err(RecvError::InvalidState) => Poll::Ready(Err(Disconnected)),
            }
        })
        .await
    }

    /// Waits for room and passes it to `write`, in the transmit buffer. `write` returns how many bytes it has written, and a
    /// result.
    ///
    /// The buffer is a ring: this is its first contiguous piece, and there may be more room.
    ///
    /// # Errors
    /// [`Disconnected`] when the connection was reset or has timed out, or [`close`](Self::close) was called.
    pub async fn write_with<R>(&self, write: impl FnOnce(&mut [u8]) -> (usize, R)) -> Result<R, Disconnected> {
        let mut write = Some(write);
        poll_fn(|context| {
            let engine = &mut *self.stack.borrow_mut();
            let Some(socket) = engine.sockets.get::<Socket<'_>>(self.id) else { return Poll::Ready(Err(Disconnected)) };
            if !socket.can_send() {
                if !socket.may_send() {
                    return Poll::Ready(Err(Disconnected));
                }
                socket.register_send_waker(context.waker());
                return Poll::Pending;
            }
            let Some(write) = write.take() else { return Poll::Ready(Err(Disconnected)) };
            let result = socket.send(write).map_err(|_| Disconnected);
            engine.queue_and_wake(self.id);
            Poll::Ready(result)
        })
        .await
    }

    /// Waits for room and copies as much of `data` as fits into the transmit buffer. Returns the number of bytes.
    ///
    /// # Errors
    /// [`Disconnected`] when the connection was reset or has timed out, or [`close`](Self::close) was called.
    pub async fn write(&self, data: &[u8]) -> Result<usize, Disconnected> {
        poll_fn(|context| {
            let engine = &mut *self.stack.borrow_mut();
            let Some(socket) = engine.sockets.get::<Socket<'_>>(self.id) else { return Poll::Ready(Err(Disconnected)) };
            match socket.send_slice(data) {
                Ok(0) if !data.is_empty() => {
                    socket.register_send_waker(context.waker());
                    Poll::Pending
                }
                Ok(length) => {
                    engine.queue_and_wake(self.id);
                    Poll::Ready(Ok(length))
                }
                Err(_) => Poll::Ready(Err(Disconnected)),
            }
        })
        .await
    }

    /// Waits until the peer has acknowledged all that was written, or a reset has been sent.
    pub async fn flush(&self) {
        self.wait(|socket, context| {
            let has_data = socket.send_queue() > 0 && socket.state() != State::Closed;
            let has_end = matches!(socket.state(), State::FinWait1 | State::Closing | State::LastAck);
            let has_reset = socket.state() == State::Closed && socket.remote_endpoint().is_some();
            if has_data || has_end || has_reset {
                socket.register_send_waker(context.waker());
                return None;
            }
            Some(())
        })
        .await;
    }

    /// Closes the local side: what was written is still sent, and what the peer sends is still received.
    pub fn close(&self) {
        self.change(Socket::close);
    }

    /// Resets the connection; [`flush`](Self::flush) waits until the reset has been sent.
    pub fn abort(&self) {
        self.change(Socket::abort);
    }

    /// Returns how many bytes were written and are not acknowledged yet.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.with(|socket| socket.send_queue()).unwrap_or(0)
    }

    /// Returns the address and port of the peer, while connected.
    #[must_use]
    pub fn remote_endpoint(&self) -> Option<SocketAddr> {
        let endpoint = self.with(|socket| socket.remote_endpoint()).flatten()?;
        Some((endpoint.addr, endpoint.port).into())
    }
}

impl Drop for TcpSocket {
    fn drop(&mut self) {
        self.stack.borrow_mut().sockets.remove(self.id);
    }
}

impl fmt::Debug for TcpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpSocket").field("id", &self.id).finish_non_exhaustive()
    }
}
