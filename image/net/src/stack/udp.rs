//! UDP sockets as tasks use them.

use alloc::vec;
use core::fmt;
use core::future::poll_fn;
use core::task::Poll;

use smoltcp::socket::udp::{PacketBuffer, PacketMetadata, RecvError, SendError, Socket};
use smoltcp::wire::IpEndpoint;

use super::sets::Name;
use super::{AcceptError, Stack};

/// A UDP socket. Dropping it forgets what was neither received nor sent.
pub struct UdpSocket {
    stack: Stack,
    name: Name,
}

impl UdpSocket {
    /// A socket that receives on `port`; `packets` of together `bytes` may wait in each direction.
    ///
    /// # Errors
    /// [`AcceptError`] for port 0, or when the stack has too many sockets.
    pub fn bind(stack: &Stack, port: u16, packets: usize, bytes: usize) -> Result<Self, AcceptError> {
        let buffer = || PacketBuffer::new(vec![PacketMetadata::EMPTY; packets], vec![0; bytes]);
        let mut socket = Socket::new(buffer(), buffer());
        socket.bind(port).map_err(|_| AcceptError::NoPort)?;
        let name = stack.borrow_mut().sets.add_udp(socket, port).ok_or(AcceptError::TooMany)?;
        Ok(Self { stack: stack.clone(), name })
    }

    /// The next packet: its length, and who sent it.
    ///
    /// # Errors
    /// [`RecvError::Truncated`] for a packet that is longer than `buffer`; it is dropped.
    pub async fn receive(&self, buffer: &mut [u8]) -> Result<(usize, IpEndpoint), RecvError> {
        poll_fn(|context| {
            let core = &mut *self.stack.borrow_mut();
            let Some(socket) = core.sets.get::<Socket<'_>>(self.name) else { return Poll::Pending };
            match socket.recv_slice(buffer) {
                Ok((length, from)) => Poll::Ready(Ok((length, from.endpoint))),
                Err(RecvError::Exhausted) => {
                    socket.register_recv_waker(context.waker());
                    Poll::Pending
                }
                Err(error) => Poll::Ready(Err(error)),
            }
        })
        .await
    }

    /// Sends a packet, once there is room for it.
    ///
    /// # Errors
    /// [`SendError`] for a receiver that nobody is, or a packet that there is never room for.
    pub async fn send(&self, packet: &[u8], to: IpEndpoint) -> Result<(), SendError> {
        poll_fn(|context| {
            let core = &mut *self.stack.borrow_mut();
            let Some(socket) = core.sets.get::<Socket<'_>>(self.name) else { return Poll::Pending };
            match socket.send_slice(packet, to) {
                Err(SendError::BufferFull) if packet.len() <= socket.payload_send_capacity() => {
                    socket.register_send_waker(context.waker());
                    Poll::Pending
                }
                result => {
                    core.touch(self.name);
                    Poll::Ready(result)
                }
            }
        })
        .await
    }
}

impl Drop for UdpSocket {
    fn drop(&mut self) {
        self.stack.borrow_mut().sets.remove(self.name);
    }
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UdpSocket").field("name", &self.name).finish_non_exhaustive()
    }
}
