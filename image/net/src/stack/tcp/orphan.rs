//! Connections whose stream was dropped: they close by themselves, and few bytes are kept for them while they do.

use smoltcp::socket::tcp::{Socket, State};
use smoltcp::time::Instant;

use super::adopt::{Template, capture, inject};
use super::connection::Connection;
use super::error::TcpError;
use super::new_socket::{CLOSING_BYTES, socket, socket_set};
use super::stream::has_unsent;
use super::wire::{ACK, Control, FIN};
use crate::stack::engine::{Engine, now};
use crate::stack::socket_table::SocketId;

/// The connections that close by themselves at a time. When there are more, the first of them is reset, as hosts may that
/// leave their peers to FINs that are never acknowledged.
const MAX_ORPHANS: usize = 512;

impl Engine {
    /// Handles that a stream was dropped: the connection closes by itself.
    pub(super) fn drop_stream(&mut self, id: SocketId) {
        let now = now();
        let Some((connection, socket)) = self.sockets.connection(id) else { return };
        connection.is_orphan = true;
        let listener = connection.listener.take().filter(|_| connection.is_accepted);
        let is_open = connection.error.is_none();
        let state = socket.as_ref().map(|socket| socket.state());
        let has_unread = socket.as_ref().is_some_and(|socket| socket.recv_queue() > 0);
        let has_reset = socket.is_some_and(|socket| state == Some(State::Closed) && has_unsent(socket));
        if let Some(listener) = listener.and_then(|listener| self.tcp.listeners.get(listener)) {
            listener.open = listener.open.saturating_sub(1);
            listener.wake();
        }
        match state {
            None if is_open && self.adopt_to_close(id, now) => {
                self.close(id);
                self.add_orphan(id);
            }
            None if is_open && self.sockets.connection(id).is_some() => {
                self.send_reset(id);
                self.finish(id, TcpError::Closed);
            }
            // The reset is sent first.
            Some(State::Closed) if has_reset => {}
            None | Some(State::Closed | State::TimeWait | State::SynSent | State::SynReceived | State::Listen) => {
                self.sockets.remove(id);
            }
            // The peer must not believe that it was read (RFC 2525, 2.17).
            Some(_) if has_unread => self.abort(id),
            Some(_) => {
                self.close(id);
                self.add_orphan(id);
            }
        }
        self.waker.as_ref().inspect(|waker| waker.wake_by_ref());
    }

    /// Remembers a connection that closes by itself, and ends the first of those that are too many.
    fn add_orphan(&mut self, id: SocketId) {
        if self.tcp.orphans.len() >= MAX_ORPHANS {
            let sockets = &mut self.sockets;
            let is_orphan = |id: &SocketId| sockets.connection(*id).is_some_and(|(connection, _)| connection.is_orphan);
            self.tcp.orphans.retain(is_orphan);
        }
        if (self.tcp.orphans.len() >= MAX_ORPHANS || self.tcp.orphans.try_reserve(1).is_err())
            && !self.end_oldest_orphan()
        {
            return;
        }
        self.tcp.orphans.push_back(id);
    }

    /// Ends the connection that closes by itself for longest. Returns whether there was one.
    pub(super) fn end_oldest_orphan(&mut self) -> bool {
        while let Some(id) = self.tcp.orphans.pop_front() {
            if self.sockets.connection(id).is_some_and(|(connection, _)| connection.is_orphan) {
                self.send_reset(id);
                self.finish(id, TcpError::Closed);
                return true;
            }
        }
        false
    }

    /// Takes the buffers of a connection that only waits for its peer to acknowledge the FIN, or to close its side: its socket
    /// is replaced by one of few bytes, which has closed as well.
    pub(super) fn shrink(&mut self, id: SocketId, now: Instant) {
        let Some((connection, Some(old))) = self.sockets.connection(id) else { return };
        if !connection.is_shrinkable(old) {
            return;
        }
        let state = old.state();
        let receive_next = connection.receive_next(Some(old));
        let has_fin = !matches!(state, State::FinWait1 | State::FinWait2);
        let template = Template {
            endpoints: connection.endpoints,
            // The sequence numbers of the FINs.
            send_next: connection.unacknowledged(old),
            receive_next: receive_next.wrapping_sub(u32::from(has_fin)),
            window: connection.window,
            options: connection.options,
        };
        let Some((mut new, mut set)) = socket(connection, CLOSING_BYTES, CLOSING_BYTES).zip(socket_set()) else {
            return;
        };
        if new.listen(template.endpoints.local_port).is_err() {
            return;
        }
        let handle = set.add(new);
        let interface = &mut self.interface;
        let Some(delta) = template.establish(interface, &mut set, now) else { return };
        let own_fin = template.send_next.wrapping_sub(delta);
        let answer = |acknowledgement, flags| Control {
            endpoints: template.endpoints,
            sequence: template.receive_next,
            acknowledgement,
            flags,
            window: template.window,
            options: super::wire::SynOptions::default(),
        };
        if state == State::LastAck {
            inject(&answer(own_fin, ACK | FIN), interface, &mut set, now);
        }
        set.get_mut::<Socket<'_>>(handle).close();
        // The FIN was sent before; the timer of the socket repeats it.
        let _fin = capture(interface, &mut set, now);
        match state {
            State::Closing => inject(&answer(own_fin, ACK | FIN), interface, &mut set, now),
            State::FinWait2 => inject(&answer(own_fin.wrapping_add(1), ACK), interface, &mut set, now),
            _ => {}
        }
        if set.get_mut::<Socket<'_>>(handle).state() != state {
            return;
        }
        if let Some((connection, _)) = self.sockets.connection(id) {
            connection.delta = delta;
            // Less than before, so there is room.
            let _ = connection.reservation.resize(Connection::live_bytes(CLOSING_BYTES, CLOSING_BYTES));
        }
        self.sockets.set_live(id, set, handle);
        self.reschedule(id, false, now);
    }
}

impl Connection {
    /// Returns whether nothing but FINs and their acknowledgements is left to exchange, and the buffers are large.
    pub(super) fn is_shrinkable(&self, socket: &Socket<'_>) -> bool {
        let is_closing = matches!(socket.state(), State::FinWait1 | State::FinWait2 | State::Closing | State::LastAck);
        let is_empty = socket.send_queue() == 0 && socket.recv_queue() == 0;
        self.is_orphan && is_closing && is_empty && socket.recv_capacity() > CLOSING_BYTES
    }
}
