//! What a stream reports of its connection.

use core::net::SocketAddr;

use super::statistics::{TcpState, TcpStatistics};
use super::stream::TcpStream;

impl TcpStream {
    /// Returns the address and port of the peer.
    #[must_use]
    pub fn remote_endpoint(&self) -> Option<SocketAddr> {
        let engine = &mut *self.stack.borrow_mut();
        let (connection, _) = engine.sockets.connection(self.id)?;
        Some((connection.endpoints.remote, connection.endpoints.remote_port).into())
    }

    /// Returns the address and port of this side.
    #[must_use]
    pub fn local_endpoint(&self) -> Option<SocketAddr> {
        let engine = &mut *self.stack.borrow_mut();
        let (connection, _) = engine.sockets.connection(self.id)?;
        Some((connection.endpoints.local, connection.endpoints.local_port).into())
    }

    /// Returns the state and the counters of the connection.
    #[must_use]
    pub fn statistics(&self) -> TcpStatistics {
        let engine = &mut *self.stack.borrow_mut();
        let found = engine.sockets.connection(self.id);
        found.map_or_else(TcpStatistics::default, |(connection, socket)| TcpStatistics {
            state: TcpState::of(connection, socket.as_deref()),
            received_bytes: connection.read + socket.as_ref().map_or(0, |socket| socket.recv_queue() as u64),
            sent_bytes: connection.written,
            unacknowledged_bytes: socket.as_ref().map_or(0, |socket| socket.send_queue()),
            retransmissions: connection.retransmissions.into(),
            handshake: (connection.handshake_us > 0)
                .then(|| core::time::Duration::from_micros(connection.handshake_us.into())),
        })
    }

    /// Returns how many bytes were written and are not acknowledged yet.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        let engine = &mut *self.stack.borrow_mut();
        engine.sockets.connection(self.id).and_then(|(_, socket)| Some(socket?.send_queue())).unwrap_or_default()
    }

    /// Returns whether data or the end of it can be read at once.
    pub(super) fn is_readable(&self) -> bool {
        let engine = &mut *self.stack.borrow_mut();
        let Some((connection, socket)) = engine.sockets.connection(self.id) else { return true };
        let is_open = connection.error.is_none() && !connection.is_evicted;
        socket.map_or(!is_open, |socket| socket.can_recv() || !socket.may_recv() || !is_open)
    }

    /// Returns whether something can be written, or an error found, at once.
    pub(super) fn is_writable(&self) -> bool {
        let engine = &mut *self.stack.borrow_mut();
        let Some((_, Some(socket))) = engine.sockets.connection(self.id) else { return true };
        socket.can_send() || !socket.may_send()
    }
}
