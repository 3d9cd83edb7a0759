//! The room of a connection's transmit buffer, and larger buffers for long transfers.

use alloc::vec::Vec;
use core::task::{Context, Poll};

use smoltcp::socket::tcp::{Socket, State};
use smoltcp::time::Instant;

use super::access::Access;
use super::adopt::inject_data;
use super::connection::Connection;
use super::error::TcpError;
use super::stream::TcpStream;
use super::wire::{ACK, Control, SynOptions};
use crate::stack::engine::{Engine, now};
use crate::stack::socket_table::SocketId;

/// The largest window without scaling, which is not offered for small buffers.
const MAX_WINDOW_BYTES: usize = 65_535;

impl TcpStream {
    /// Waits until there is room for `bytes`, or half of the transmit buffer is free if that is less. Returns the room, all
    /// of which [`write_with`](Self::write_with) passes on, in one piece or two.
    ///
    /// # Errors
    /// As [`write_with`](Self::write_with).
    pub fn poll_room(&self, context: &mut Context<'_>, bytes: usize) -> Poll<Result<usize, TcpError>> {
        let engine = &mut *self.stack.borrow_mut();
        let socket = match engine.writer::<usize>(self.id, context) {
            Access::Live(_, socket) => socket,
            Access::Done(result) => return result,
        };
        let capacity = socket.send_capacity();
        let room = capacity - socket.send_queue();
        if room >= bytes.min(capacity / 2) {
            return Poll::Ready(Ok(room));
        }
        socket.register_send_waker(context.waker());
        Poll::Pending
    }

    /// Enlarges the buffers to at least so many bytes, for long transfers: the more is in flight, the less often both sides
    /// wait for each other. The receive buffer has at most 65,535 bytes, and keeps its size; the transmit buffer has its
    /// old one again after the connection was idle. Returns whether both are as large now. They stay as they are while
    /// anything that was written is not acknowledged, or when half of the memory budget is used.
    ///
    /// ```
    /// use switchboard_net::{TcpConfig, TcpListener};
    /// use switchboard_net_testing::TestNetwork;
    ///
    /// let mut network = TestNetwork::new();
    /// let listener = TcpListener::bind(network.stack(), 4000, TcpConfig::new(1024, 1024))?;
    /// network.group().add(async move {
    ///     let stream = listener.accept().await;
    ///     assert!(stream.enlarge_buffers(0, 8192));
    ///     assert_eq!(stream.write(&[7; 10_000]).await, Ok(8192));
    ///     assert!(!stream.enlarge_buffers(0, 16_384), "data is queued");
    ///     stream.close();
    ///     stream.flush().await;
    /// });
    /// assert_eq!(network.exchange(4000, b""), [7; 8192]);
    /// # Ok::<_, switchboard_net::SocketError>(())
    /// ```
    pub fn enlarge_buffers(&self, receive_bytes: usize, transmit_bytes: usize) -> bool {
        self.stack.borrow_mut().enlarge_buffers(self.id, receive_bytes, transmit_bytes)
    }
}

impl Engine {
    /// smoltcp's socket cannot change its buffers, but another can take over the connection, with what was not read yet.
    fn enlarge_buffers(&mut self, id: SocketId, receive: usize, transmit: usize) -> bool {
        let now = now();
        let usage = self.tcp.budget.usage();
        let Some((connection, socket)) = self.sockets.connection(id) else { return false };
        let old_transmit = socket.as_ref().map_or(connection.config.transmit_bytes, |socket| socket.send_capacity());
        let (old_receive, old_bytes) = (connection.receive_bytes, connection.reservation.bytes());
        let (receive, transmit) = (receive.min(MAX_WINDOW_BYTES).max(old_receive), transmit.max(old_transmit));
        if socket.is_some() && (receive, transmit) == (old_receive, old_transmit) {
            return true;
        }
        let is_ready = connection.error.is_none()
            && !connection.is_evicted
            && socket.as_ref().is_none_or(|socket| connection.has_sent_all(socket));
        if !is_ready || Connection::live_bytes(receive, transmit) + usage.used_bytes > usage.limit_bytes / 2 {
            return false;
        }
        let mut unread = Vec::new();
        if let Some(socket) = socket {
            if unread.try_reserve_exact(socket.recv_queue()).is_err() {
                return false;
            }
            unread.resize(socket.recv_queue(), 0);
            let _ = socket.peek_slice(&mut unread);
        }
        let old = self.sockets.take_socket(id);
        if !self.adopt_with(id, receive, transmit, now) {
            if let (Some((set, handle)), Some((connection, None))) = (old, self.sockets.connection(id)) {
                let _ = connection.reservation.resize(old_bytes);
                self.sockets.set_live(id, set, handle);
            }
            return false;
        }
        if let Some((mut set, handle)) = old {
            // The tasks that wait register again, with the new socket.
            set.get_mut::<Socket<'_>>(handle).abort();
        }
        self.receive_again(id, &unread, now);
        if let Some((connection, socket)) = self.sockets.connection(id)
            && receive > old_receive
        {
            connection.receive_bytes = receive;
            // The peer waits for a window that is as large.
            let update = connection.challenge(socket.as_deref());
            self.tcp.send(update);
            self.waker.as_ref().inspect(|waker| waker.wake_by_ref());
        }
        true
    }

    /// Has the socket of a connection receive the data that follows what was read.
    fn receive_again(&mut self, id: SocketId, data: &[u8], now: Instant) {
        let Some((connection, Some(_))) = self.sockets.connection(id) else { return };
        let control = Control {
            endpoints: connection.endpoints,
            sequence: connection.receive_next(None),
            acknowledgement: connection.sent_end.wrapping_sub(connection.delta),
            flags: ACK,
            window: connection.window,
            options: SynOptions::default(),
        };
        let Some(entry) = self.sockets.entry(id) else { return };
        inject_data(&control, data, &mut self.interface, &mut entry.set, now);
        self.sockets.queue(id);
    }
}

impl Connection {
    /// Returns whether all that was written is acknowledged, and neither side is closed.
    pub(super) fn has_sent_all(&self, socket: &Socket<'_>) -> bool {
        socket.state() == State::Established && socket.send_queue() == 0 && self.unacknowledged(socket) == self.sent_end
    }
}
