//! Asynchronous UDP sockets.

pub(super) mod datagram;
mod multicast;
mod nal;
mod table;

use core::fmt;
use core::future::poll_fn;
use core::net::SocketAddr;
use core::task::{Context, Poll, Waker};

use switchboard_runtime::entropy;

use self::datagram::MAX_DATAGRAM;
use super::handle::Stack;
use super::socket_error::SocketError;
use crate::link::icmp::IcmpError;

pub use self::nal::{ConnectedUdpSocket, UdpError, UnconnectedUdpSocket};
pub(super) use self::table::{Delivery, UdpId, UdpTable};

/// The first of the dynamic ports (RFC 6335, 6), which have both upper bits set.
const FIRST_DYNAMIC_PORT: u16 = 0xc000;
/// A stack has far fewer sockets than there are ports, so the first random one is nearly always free.
const MAX_PORT_ATTEMPTS: usize = 64;

/// The error of receiving a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// The datagram was longer than the buffer, and is dropped.
    #[error("the datagram is longer than the buffer")]
    Truncated,
}

/// The error of sending a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The address is unspecified or the port is 0, or no address of this host reaches it.
    #[error("the address cannot be sent to")]
    InvalidAddress,
    /// The datagram is longer than the transmit buffer.
    #[error("the datagram is longer than the transmit buffer")]
    TooLong,
    /// Too many packets wait to be sent, or there is no memory for another.
    #[error("no room for another packet")]
    NoRoom,
}

/// A UDP socket. Dropping it drops the datagrams that were neither received nor sent.
///
/// ```
/// use switchboard_net::UdpSocket;
/// use switchboard_net_testing::TestNetwork;
///
/// let mut network = TestNetwork::new();
/// let socket = UdpSocket::bind(network.stack(), 4000, 4, 4096)?;
/// network.group().add(async move {
///     let mut buffer = [0; 1500];
///     while let Ok((length, from)) = socket.receive(&mut buffer).await {
///         buffer[..length].reverse();
///         let _ = socket.send(&buffer[..length], from).await;
///     }
/// });
/// assert_eq!(network.exchange_datagram(4000, b"abc"), b"cba");
/// # Ok::<_, switchboard_net::SocketError>(())
/// ```
pub struct UdpSocket {
    stack: Stack,
    id: UdpId,
}

/// Registers the task to be woken.
pub(super) fn register(waker: &mut Option<Waker>, context: &Context<'_>) {
    if waker.as_ref().is_none_or(|waker| !waker.will_wake(context.waker())) {
        *waker = Some(context.waker().clone());
    }
}

impl UdpSocket {
    /// Creates a socket on `port`, which buffers up to `datagrams` datagrams of together `bytes` bytes in each direction.
    /// Datagrams of up to 65,507 bytes are sent in fragments, where they are longer than a frame.
    ///
    /// # Errors
    /// [`SocketError`] for port 0, a port that is in use, or when the stack has its maximum of sockets or no memory.
    pub fn bind(stack: &Stack, port: u16, datagrams: usize, bytes: usize) -> Result<Self, SocketError> {
        let engine = &mut *stack.borrow_mut();
        let id = engine.datagrams.add(port, datagrams, bytes)?;
        Ok(Self { stack: stack.clone(), id })
    }

    /// As [`bind`](Self::bind), on a random port that no other socket has, of those for this use (RFC 6056).
    ///
    /// # Errors
    /// [`SocketError`] when the stack has its maximum of sockets or no memory.
    pub fn bind_any(stack: &Stack, datagrams: usize, bytes: usize) -> Result<Self, SocketError> {
        let random = (0..MAX_PORT_ATTEMPTS).map(|_| (entropy::random_u64() & 0xffff) as u16 | FIRST_DYNAMIC_PORT);
        let free = random.into_iter().find(|port| stack.borrow_mut().datagrams.find(*port).is_none());
        Self::bind(stack, free.ok_or(SocketError::TooManySockets)?, datagrams, bytes)
    }

    /// Waits for a datagram and copies it into `buffer`. Returns its length and its sender.
    ///
    /// # Errors
    /// [`ReceiveError::Truncated`] for a datagram that is longer than `buffer`; it is dropped.
    pub async fn receive(&self, buffer: &mut [u8]) -> Result<(usize, SocketAddr), ReceiveError> {
        let (length, from) = self.receive_part(buffer).await;
        if length > buffer.len() { Err(ReceiveError::Truncated) } else { Ok((length, from)) }
    }

    /// As [`receive`](Self::receive), but copies what fits of a longer datagram. Returns the length of the datagram.
    async fn receive_part(&self, buffer: &mut [u8]) -> (usize, SocketAddr) {
        poll_fn(|context| {
            let engine = &mut *self.stack.borrow_mut();
            let Some(entry) = engine.datagrams.get(self.id) else { return Poll::Pending };
            let Ok((from, payload)) = entry.received.dequeue() else {
                register(&mut entry.receive_waker, context);
                return Poll::Pending;
            };
            let copied = payload.len().min(buffer.len());
            buffer[..copied].copy_from_slice(&payload[..copied]);
            Poll::Ready((payload.len(), from))
        })
        .await
    }

    /// Returns the port.
    fn local_port(&self) -> u16 {
        self.stack.borrow_mut().datagrams.get(self.id).map_or(0, |entry| entry.port)
    }

    /// Waits for room in the transmit buffer and sends a datagram.
    ///
    /// # Errors
    /// [`SendError`] for an address that cannot be sent to, or a datagram that never fits into the buffer.
    pub async fn send(&self, datagram: &[u8], to: SocketAddr) -> Result<(), SendError> {
        if to.port() == 0 || to.ip().is_unspecified() {
            return Err(SendError::InvalidAddress);
        }
        poll_fn(|context| {
            let engine = &mut *self.stack.borrow_mut();
            if let SocketAddr::V6(to) = to
                && engine.ipv6_source_for(to.ip()).is_none()
            {
                return Poll::Ready(Err(SendError::InvalidAddress));
            }
            let Some(entry) = engine.datagrams.get(self.id) else { return Poll::Pending };
            if datagram.len() > entry.to_send.payload_capacity().min(MAX_DATAGRAM) {
                return Poll::Ready(Err(SendError::TooLong));
            }
            let Ok(room) = entry.to_send.enqueue(datagram.len(), to) else {
                register(&mut entry.send_waker, context);
                return Poll::Pending;
            };
            room.copy_from_slice(datagram);
            engine.queue_datagrams_and_wake(self.id);
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// Waits for an error that a router or host reports about a datagram of this socket, such as
    /// [`PortUnreachable`](crate::IcmpErrorKind::PortUnreachable). Only the last one is kept. Any host on the path can
    /// report what it likes.
    pub async fn error(&self) -> IcmpError {
        poll_fn(|context| {
            let engine = &mut *self.stack.borrow_mut();
            let Some(entry) = engine.datagrams.get(self.id) else { return Poll::Pending };
            if let Some(error) = entry.error.take() {
                return Poll::Ready(error);
            }
            register(&mut entry.error_waker, context);
            Poll::Pending
        })
        .await
    }
}

impl Drop for UdpSocket {
    fn drop(&mut self) {
        self.leave_all();
        self.stack.borrow_mut().datagrams.remove(self.id);
    }
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UdpSocket").field("id", &self.id).finish_non_exhaustive()
    }
}
