//! What a call of a stream works on: a connection that is ready for it, and its socket.

use core::task::{Context, Poll};

use smoltcp::socket::tcp::Socket;

use super::connection::Connection;
use super::error::TcpError;
use crate::stack::engine::{Engine, now};
use crate::stack::socket_table::SocketId;

/// A connection and its socket, or the result of a call when there is none.
pub(super) enum Access<'e, R> {
    Live(&'e mut Connection, &'e mut Socket<'static>),
    Done(Poll<Result<R, TcpError>>),
}

impl Engine {
    /// Returns a connection that has data to read.
    #[inline]
    pub(super) fn reader<R>(&mut self, id: SocketId, context: &mut Context<'_>) -> Access<'_, R> {
        let Some((connection, socket)) = self.sockets.connection(id) else {
            return Access::Done(Poll::Ready(Err(TcpError::Closed)));
        };
        let Some(socket) = socket.filter(|_| !connection.is_evicted) else {
            let end = connection.error.or(connection.is_evicted.then_some(TcpError::Closed));
            return Access::Done(end.map_or_else(
                || {
                    connection.reader = Some(context.waker().clone());
                    Poll::Pending
                },
                |error| Poll::Ready(Err(error)),
            ));
        };
        if socket.can_recv() {
            return Access::Live(connection, socket);
        }
        if !socket.may_recv() {
            return Access::Done(Poll::Ready(Err(connection.error.unwrap_or(TcpError::Closed))));
        }
        socket.register_recv_waker(context.waker());
        Access::Done(Poll::Pending)
    }

    /// Returns a connection that has room to write.
    #[inline]
    pub(super) fn writer<R>(&mut self, id: SocketId, context: &mut Context<'_>) -> Access<'_, R> {
        if self.sockets.is_parked(id) && !self.adopt(id, now()) {
            let result = match self.sockets.connection(id).map(|(connection, _)| connection) {
                Some(connection) if connection.error.is_none() => {
                    // Woken by the next tick, when there may be memory.
                    connection.writer = Some(context.waker().clone());
                    Poll::Pending
                }
                found => Poll::Ready(Err(found.and_then(|connection| connection.error).unwrap_or(TcpError::Closed))),
            };
            return Access::Done(result);
        }
        let Some((connection, Some(socket))) = self.sockets.connection(id) else {
            return Access::Done(Poll::Ready(Err(TcpError::Closed)));
        };
        if socket.can_send() {
            return Access::Live(connection, socket);
        }
        if !socket.may_send() {
            return Access::Done(Poll::Ready(Err(connection.error.unwrap_or(TcpError::Closed))));
        }
        socket.register_send_waker(context.waker());
        Access::Done(Poll::Pending)
    }
}
