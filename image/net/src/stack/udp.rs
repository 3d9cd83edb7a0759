//! Asynchronous UDP sockets.

use alloc::vec;
use core::fmt;
use core::future::poll_fn;
use core::net::SocketAddr;
use core::task::Poll;

use smoltcp::socket::udp::{self, PacketBuffer, PacketMetadata, Socket};

use switchboard_runtime::entropy;

use super::handle::Stack;
use super::socket_error::SocketError;
use super::socket_table::SocketId;

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
    id: SocketId,
}

impl UdpSocket {
    /// Creates a socket on `port`, which buffers up to `datagrams` datagrams of together `bytes` bytes in each direction.
    ///
    /// # Errors
    /// [`SocketError`] for port 0, or when the stack has its maximum of sockets.
    pub fn bind(stack: &Stack, port: u16, datagrams: usize, bytes: usize) -> Result<Self, SocketError> {
        let buffer = || PacketBuffer::new(vec![PacketMetadata::EMPTY; datagrams], vec![0; bytes]);
        let mut socket = Socket::new(buffer(), buffer());
        socket.bind(port).map_err(|_| SocketError::InvalidPort)?;
        let engine = &mut *stack.borrow_mut();
        let id = engine.sockets.add_udp(socket, port).ok_or(SocketError::TooManySockets)?;
        engine.bound(port);
        Ok(Self { stack: stack.clone(), id })
    }

    /// As [`bind`](Self::bind), on a random port that no other socket has, of those for this use (RFC 6056).
    ///
    /// # Errors
    /// [`SocketError::TooManySockets`] when the stack has its maximum of sockets.
    pub fn bind_any(stack: &Stack, datagrams: usize, bytes: usize) -> Result<Self, SocketError> {
        let random = (0..MAX_PORT_ATTEMPTS).map(|_| (entropy::random_u64() & 0xffff) as u16 | FIRST_DYNAMIC_PORT);
        let free = random.into_iter().find(|port| stack.borrow_mut().sockets.is_udp_port_free(*port));
        Self::bind(stack, free.ok_or(SocketError::TooManySockets)?, datagrams, bytes)
    }

    /// Waits for a datagram and copies it into `buffer`. Returns its length and its sender.
    ///
    /// # Errors
    /// [`ReceiveError::Truncated`] for a datagram that is longer than `buffer`; it is dropped.
    pub async fn receive(&self, buffer: &mut [u8]) -> Result<(usize, SocketAddr), ReceiveError> {
        poll_fn(|context| {
            let engine = &mut *self.stack.borrow_mut();
            let Some(socket) = engine.sockets.get::<Socket<'_>>(self.id) else { return Poll::Pending };
            match socket.recv_slice(buffer) {
                Ok((length, from)) => Poll::Ready(Ok((length, from.endpoint.into()))),
                Err(udp::RecvError::Exhausted) => {
                    socket.register_recv_waker(context.waker());
                    Poll::Pending
                }
                Err(udp::RecvError::Truncated) => Poll::Ready(Err(ReceiveError::Truncated)),
            }
        })
        .await
    }

    /// Waits for room in the transmit buffer and sends a datagram.
    ///
    /// # Errors
    /// [`SendError`] for an address that cannot be sent to, or a datagram that never fits into the buffer.
    pub async fn send(&self, datagram: &[u8], to: SocketAddr) -> Result<(), SendError> {
        poll_fn(|context| {
            let engine = &mut *self.stack.borrow_mut();
            let mut meta = udp::UdpMetadata::from(smoltcp::wire::IpEndpoint::from(to));
            if let SocketAddr::V6(to) = to {
                // Which of several addresses is the source depends on the destination.
                match engine.ipv6_source_for(to.ip()) {
                    Some(source) => meta.local_address = Some(source.into()),
                    None => return Poll::Ready(Err(SendError::InvalidAddress)),
                }
            }
            let Some(socket) = engine.sockets.get::<Socket<'_>>(self.id) else { return Poll::Pending };
            let result = match socket.send_slice(datagram, meta) {
                Err(udp::SendError::BufferFull) if datagram.len() <= socket.payload_send_capacity() => {
                    socket.register_send_waker(context.waker());
                    return Poll::Pending;
                }
                Err(udp::SendError::BufferFull) => Err(SendError::TooLong),
                Err(udp::SendError::Unaddressable) => Err(SendError::InvalidAddress),
                Ok(()) => Ok(()),
            };
            engine.queue_and_wake(self.id);
            Poll::Ready(result)
        })
        .await
    }
}

impl Drop for UdpSocket {
    fn drop(&mut self) {
        self.stack.borrow_mut().sockets.remove(self.id);
    }
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UdpSocket").field("id", &self.id).finish_non_exhaustive()
    }
}
