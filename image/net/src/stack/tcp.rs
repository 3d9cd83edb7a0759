//! TCP sockets as tasks use them: each method waits until it can do something, and does it.

use alloc::vec;
use core::fmt;
use core::future::poll_fn;
use core::net::SocketAddr;
use core::task::{Context, Poll};

use smoltcp::socket::tcp::{RecvError, Socket, SocketBuffer, State};
use smoltcp::time::Duration;

use super::Stack;
use super::sets::Name;

/// A peer that answers nothing for this long is gone.
const PEER_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a silent peer is asked whether it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Why a socket cannot wait for a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptError {
    /// Port 0 is no port.
    #[error("port 0 cannot be listened on")]
    NoPort,
    /// The stack has as many sockets as it can have.
    #[error("the stack has no room for another socket")]
    TooMany,
}

/// The peer has reset the connection, or is not heard of any more; or it has closed its side and there is no more to
/// read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("disconnected")]
pub struct Disconnected;

/// A TCP socket. Dropping it forgets the connection; [`close`](Self::close) and [`flush`](Self::flush) first, so that
/// the peer gets what was written.
///
/// Its two directions are independent: one task may wait to read while another, or another part of it, waits to write.
pub struct TcpSocket {
    stack: Stack,
    name: Name,
}

impl TcpSocket {
    /// A socket with so many bytes for each direction. What is written leaves at once, and peers that vanish are noticed.
    ///
    /// # Errors
    /// [`AcceptError::TooMany`] when the stack has no room for it.
    pub fn new(stack: &Stack, receive: usize, transmit: usize) -> Result<Self, AcceptError> {
        let mut socket = Socket::new(SocketBuffer::new(vec![0; receive]), SocketBuffer::new(vec![0; transmit]));
        socket.set_nagle_enabled(false);
        socket.set_timeout(Some(PEER_TIMEOUT));
        socket.set_keep_alive(Some(KEEP_ALIVE));
        let name = stack.borrow_mut().sets.add_tcp(socket).ok_or(AcceptError::TooMany)?;
        Ok(Self { stack: stack.clone(), name })
    }

    /// Does something with smoltcp's socket; `None` when it is gone, which it is not before this is dropped.
    fn with<R>(&self, act: impl FnOnce(&mut Socket<'static>) -> R) -> Option<R> {
        self.stack.borrow_mut().sets.get::<Socket<'_>>(self.name).map(act)
    }

    /// As [`with`](Self::with), for what may make the socket send.
    fn change<R>(&self, act: impl FnOnce(&mut Socket<'static>) -> R) -> Option<R> {
        let core = &mut *self.stack.borrow_mut();
        let result = core.sets.get::<Socket<'_>>(self.name).map(act)?;
        core.sets.follow(self.name);
        core.touch(self.name);
        Some(result)
    }

    /// Waits for a peer on `port`.
    ///
    /// # Errors
    /// [`AcceptError::NoPort`] for port 0.
    pub async fn accept(&self, port: u16) -> Result<(), AcceptError> {
        let listening = self.change(|socket| socket.listen(port).map_err(|_| AcceptError::NoPort));
        listening.ok_or(AcceptError::TooMany)??;
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

    /// Waits until `look` finds something, having registered for what it waits for.
    async fn wait<R>(&self, mut look: impl FnMut(&mut Socket<'static>, &mut Context<'_>) -> Option<R>) -> R {
        poll_fn(|context| self.with(|socket| look(socket, context)).flatten().map_or(Poll::Pending, Poll::Ready)).await
    }

    /// Hands what has arrived to `read`, which says how many bytes of it are done with. It is the first piece that lies
    /// together: there may be more.
    ///
    /// # Errors
    /// [`Disconnected`] when nothing will arrive any more.
    pub async fn read_with<R>(&self, read: impl FnOnce(&mut [u8]) -> (usize, R)) -> Result<R, Disconnected> {
        let mut read = Some(read);
        poll_fn(|context| {
            let core = &mut *self.stack.borrow_mut();
            let Some(socket) = core.sets.get::<Socket<'_>>(self.name) else { return Poll::Ready(Err(Disconnected)) };
            if !socket.can_recv() {
                if !socket.may_recv() {
                    return Poll::Ready(Err(Disconnected));
                }
                socket.register_recv_waker(context.waker());
                return Poll::Pending;
            }
            let Some(read) = read.take() else { return Poll::Ready(Err(Disconnected)) };
            let result = socket.recv(read).map_err(|_: RecvError| Disconnected);
            // The peer may be waiting for room.
            core.touch(self.name);
            Poll::Ready(result)
        })
        .await
    }

    /// Reads what has arrived; zero bytes when the peer has closed its side.
    ///
    /// # Errors
    /// [`Disconnected`] when the connection broke off.
    pub async fn read(&self, buffer: &mut [u8]) -> Result<usize, Disconnected> {
        poll_fn(|context| {
            let core = &mut *self.stack.borrow_mut();
            let Some(socket) = core.sets.get::<Socket<'_>>(self.name) else { return Poll::Ready(Err(Disconnected)) };
            match socket.recv_slice(buffer) {
                Ok(0) if !buffer.is_empty() => {
                    socket.register_recv_waker(context.waker());
                    Poll::Pending
                }
                Ok(length) => {
                    core.touch(self.name);
                    Poll::Ready(Ok(length))
                }
                Err(RecvError::Finished) => Poll::Ready(Ok(0)),
                Err(RecvError::InvalidState) => Poll::Ready(Err(Disconnected)),
            }
        })
        .await
    }

    /// Has `write` write into the room that there is, once there is some; it says how many bytes it wrote. It is
    /// the first piece that lies together: there may be more.
    ///
    /// # Errors
    /// [`Disconnected`] when nothing can be sent any more.
    pub async fn write_with<R>(&self, write: impl FnOnce(&mut [u8]) -> (usize, R)) -> Result<R, Disconnected> {
        let mut write = Some(write);
        poll_fn(|context| {
            let core = &mut *self.stack.borrow_mut();
            let Some(socket) = core.sets.get::<Socket<'_>>(self.name) else { return Poll::Ready(Err(Disconnected)) };
            if !socket.can_send() {
                if !socket.may_send() {
                    return Poll::Ready(Err(Disconnected));
                }
                socket.register_send_waker(context.waker());
                return Poll::Pending;
            }
            let Some(write) = write.take() else { return Poll::Ready(Err(Disconnected)) };
            let result = socket.send(write).map_err(|_| Disconnected);
            core.touch(self.name);
            Poll::Ready(result)
        })
        .await
    }

    /// Writes as much as there is room for, once there is some.
    ///
    /// # Errors
    /// [`Disconnected`] when nothing can be sent any more.
    pub async fn write(&self, data: &[u8]) -> Result<usize, Disconnected> {
        poll_fn(|context| {
            let core = &mut *self.stack.borrow_mut();
            let Some(socket) = core.sets.get::<Socket<'_>>(self.name) else { return Poll::Ready(Err(Disconnected)) };
            match socket.send_slice(data) {
                Ok(0) if !data.is_empty() => {
                    socket.register_send_waker(context.waker());
                    Poll::Pending
                }
                Ok(length) => {
                    core.touch(self.name);
                    Poll::Ready(Ok(length))
                }
                Err(_) => Poll::Ready(Err(Disconnected)),
            }
        })
        .await
    }

    /// Waits until the peer has acknowledged all that was written, or the reset has left.
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

    /// Closes our side: what was written is still sent, and what the peer sends is still received.
    pub fn close(&self) {
        self.change(Socket::close);
    }

    /// Resets the connection; [`flush`](Self::flush) waits until the peer was told.
    pub fn abort(&self) {
        self.change(Socket::abort);
    }

    /// Who is at the other end.
    #[must_use]
    pub fn remote_endpoint(&self) -> Option<SocketAddr> {
        let endpoint = self.with(|socket| socket.remote_endpoint()).flatten()?;
        Some((endpoint.addr, endpoint.port).into())
    }
}

impl Drop for TcpSocket {
    fn drop(&mut self) {
        self.stack.borrow_mut().sets.remove(self.name);
    }
}

impl fmt::Debug for TcpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpSocket").field("name", &self.name).finish_non_exhaustive()
    }
}
