//! A socket of the table.

use core::net::IpAddr;

use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::tcp;
use smoltcp::time::Instant;

use crate::flow::{ConnectionKey, ConnectionKey6};
use crate::stack::tcp::Connection;

/// A socket in a smoltcp set of its own, and its place in the table.
pub(in crate::stack) struct Entry {
    /// Without a socket while a connection is parked.
    pub(in crate::stack) set: SocketSet<'static>,
    pub(super) handle: Option<SocketHandle>,
    pub(super) key: Key,
    /// Whether it is in the queue of sockets that may have something to send.
    pub(super) is_queued: bool,
    /// When to poll it though no frame arrives for it: a retransmission or another timer.
    pub(super) deadline: Instant,
    /// When to acknowledge what has arrived since it was polled for packets, if it was passed on without another poll.
    pub(super) acknowledge_at: Instant,
    /// Of a TCP socket.
    pub(in crate::stack) connection: Option<Connection>,
}

impl Entry {
    /// Returns the address of the peer of a connection.
    #[inline]
    pub(in crate::stack) fn remote_address(&self) -> Option<IpAddr> {
        match self.key {
            Key::Connected(connection) => Some(connection.remote_address().into()),
            Key::Connected6(connection) => Some(connection.remote.into()),
            Key::Unconnected => None,
        }
    }

    /// Returns the connection of a TCP socket, and the socket if it is not parked.
    #[inline]
    pub(super) fn connection(&mut self) -> Option<(&mut Connection, Option<&mut tcp::Socket<'static>>)> {
        let Self { set, handle, connection, .. } = self;
        Some((connection.as_mut()?, handle.map(|handle| set.get_mut(handle))))
    }

    /// Returns the socket of a connection that is not parked.
    #[inline]
    pub(in crate::stack) fn socket(&mut self) -> Option<&mut tcp::Socket<'static>> {
        Some(self.set.get_mut(self.handle?))
    }

    /// Returns whether a socket has reached its end: TIME-WAIT, or CLOSED with nothing left to send.
    #[inline]
    pub(in crate::stack) fn has_ended(&mut self) -> bool {
        self.socket().is_some_and(|socket| match socket.state() {
            tcp::State::TimeWait => true,
            tcp::State::Closed => socket.remote_endpoint().is_none(),
            _ => false,
        })
    }
}

/// By what a received frame finds a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// Not at all: a TCP connection that has ended. It is not polled any more.
    Unconnected,
    Connected(ConnectionKey),
    Connected6(ConnectionKey6),
}
