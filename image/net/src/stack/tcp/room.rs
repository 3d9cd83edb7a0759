//! The room of a connection's transmit buffer: how much there is, and a larger buffer for long transfers.

use core::task::{Context, Poll};

use super::connection::Connection;
use super::error::TcpError;
use super::stream::{Access, TcpStream};
use crate::stack::engine::{Engine, now};
use crate::stack::socket_table::SocketId;

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

    /// Enlarges the transmit buffer to `bytes` until the connection is idle, for a long transfer: the more is in flight,
    /// the less often the sender runs. Returns whether the buffer is as large now. It stays as it is while anything is
    /// queued in either direction, or when half of the memory budget is used.
    ///
    /// ```
    /// use switchboard_net::{TcpConfig, TcpListener};
    /// use switchboard_net_testing::TestNetwork;
    ///
    /// let mut network = TestNetwork::new();
    /// let listener = TcpListener::bind(network.stack(), 4000, TcpConfig::new(1024, 1024))?;
    /// network.group().add(async move {
    ///     let stream = listener.accept().await;
    ///     assert!(stream.enlarge_transmit_buffer(8192));
    ///     assert_eq!(stream.write(&[7; 10_000]).await, Ok(8192));
    ///     assert!(!stream.enlarge_transmit_buffer(16_384), "data is queued");
    ///     stream.close();
    ///     stream.flush().await;
    /// });
    /// assert_eq!(network.exchange(4000, b""), [7; 8192]);
    /// # Ok::<_, switchboard_net::SocketError>(())
    /// ```
    pub fn enlarge_transmit_buffer(&self, bytes: usize) -> bool {
        self.stack.borrow_mut().enlarge_transmit_buffer(self.id, bytes)
    }
}

impl Engine {
    fn enlarge_transmit_buffer(&mut self, id: SocketId, bytes: usize) -> bool {
        let now = now();
        let usage = self.tcp.budget.usage();
        let Some((connection, socket)) = self.sockets.connection(id) else { return false };
        if socket.as_ref().is_some_and(|socket| socket.send_capacity() >= bytes) {
            return true;
        }
        let receive_bytes = connection.config.receive_bytes;
        let wanted = Connection::live_bytes(receive_bytes, bytes);
        let is_idle = socket.is_none_or(|socket| connection.is_idle(socket));
        if !is_idle || connection.error.is_some() || wanted > (usage.limit_bytes / 2).saturating_sub(usage.used_bytes) {
            return false;
        }
        // The socket cannot change its buffer, but another can take over the connection.
        self.park(id, now);
        let is_larger = self.adopt_with(id, receive_bytes, bytes, now);
        if !is_larger {
            self.adopt(id, now);
        }
        is_larger
    }
}
