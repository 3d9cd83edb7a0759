//! Raw sockets: IP packets of any protocol.

mod icmp;
mod packet;
mod table;

use core::fmt;
use core::future::poll_fn;
use core::net::IpAddr;
use core::task::Poll;

use super::handle::Stack;
use super::socket_error::SocketError;
use super::udp::{ReceiveError, SendError, register};
use crate::link::icmp::IcmpError;

pub use self::icmp::{EchoReply, IcmpSocket, PingError};
pub(super) use self::packet::{packet, packet6};
pub(super) use self::table::RawTable;
use self::table::{Filter, RawId};

/// A socket for IP packets of one protocol, which it sends and receives beside the stack's own use of them.
///
/// It receives packets of IPv4 and IPv6, with their header: the upper half of the first byte is the version. Extension headers
/// of IPv6 are removed, and the checksum of ICMPv6 (protocol 58) is verified and filled in (RFC 3542, 3.1).
///
/// ```
/// use switchboard_net::RawSocket;
/// use switchboard_net_testing::TestNetwork;
///
/// // OSPF: received packets include their header.
/// let mut network = TestNetwork::new();
/// let socket = RawSocket::bind(network.stack(), 89, 4, 4096)?;
/// socket.send([10, 0, 0, 2].into(), 1, b"hello").expect("an IPv4 address");
/// # network.step();
/// # Ok::<_, switchboard_net::SocketError>(())
/// ```
pub struct RawSocket {
    stack: Stack,
    id: RawId,
    protocol: u8,
}

impl RawSocket {
    /// Creates a socket for packets of `protocol`, with a buffer for so many packets of together so many bytes.
    ///
    /// # Errors
    /// [`SocketError`] when the stack has its maximum of sockets, or no memory.
    pub fn bind(stack: &Stack, protocol: u8, packets: usize, bytes: usize) -> Result<Self, SocketError> {
        let id = stack.borrow_mut().raw.add(Filter::Protocol(protocol), packets, bytes)?;
        Ok(Self { stack: stack.clone(), id, protocol })
    }

    /// Waits for a packet and copies it with its header into `buffer`. Returns its length and its sender.
    ///
    /// # Errors
    /// [`ReceiveError::Truncated`] for a packet that is longer than `buffer`; it is dropped.
    pub async fn receive(&self, buffer: &mut [u8]) -> Result<(usize, IpAddr), ReceiveError> {
        poll_fn(|context| {
            let engine = &mut *self.stack.borrow_mut();
            let Some(entry) = engine.raw.get(self.id) else { return Poll::Pending };
            let Ok((from, packet)) = entry.received.dequeue() else {
                register(&mut entry.waker, context);
                return Poll::Pending;
            };
            let Some(room) = buffer.get_mut(..packet.len()) else { return Poll::Ready(Err(ReceiveError::Truncated)) };
            room.copy_from_slice(packet);
            Poll::Ready(Ok((packet.len(), from)))
        })
        .await
    }

    /// Sends a packet with this payload, which passes at most `time_to_live` routers.
    ///
    /// # Errors
    /// [`SendError`] for an address that cannot be sent to, or when too many packets wait to be sent.
    pub fn send(&self, destination: IpAddr, time_to_live: u8, payload: &[u8]) -> Result<(), SendError> {
        self.stack.borrow_mut().send_raw(destination, self.protocol, time_to_live, payload)
    }

    /// Returns the last error that was reported about a packet of this protocol, once.
    #[must_use]
    pub fn take_error(&self) -> Option<IcmpError> {
        self.stack.borrow_mut().raw.get(self.id)?.error.take()
    }
}

impl Drop for RawSocket {
    fn drop(&mut self) {
        self.stack.borrow_mut().raw.remove(self.id);
    }
}

impl fmt::Debug for RawSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawSocket").field("protocol", &self.protocol).finish_non_exhaustive()
    }
}
