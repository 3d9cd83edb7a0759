//! Room for new connections: which are closed when there are too many, and which lose their buffers when memory is short.

use alloc::vec::Vec;
use core::net::IpAddr;

use smoltcp::socket::tcp::{Socket, State};
use smoltcp::time::{Duration, Instant};
use switchboard_runtime::sort;

use super::error::TcpError;
use super::listener::ListenerId;
use crate::stack::engine::Engine;
use crate::stack::socket_table::SocketId;

/// Connections that were closed to make room, and whose peers have not answered yet. When there are more, the first of them is
/// reset,
/// of those that have received all, or acknowledge nothing, if there are such.
const MAX_EVICTED: usize = 64;
/// How long after its handshake a connection without a byte of its peer is not closed; then it goes ahead of those that have sent
/// some.
const SILENT: Duration = Duration::from_secs(1);
/// Ticks without an acknowledgement of what is in flight, or with a closed window, after which a connection may have to go.
const STALLED_TICKS: u32 = 10;

fn is_closing(socket: Option<&Socket<'_>>) -> bool {
    socket.is_some_and(|socket| !matches!(socket.state(), State::Established | State::CloseWait))
}

/// A connection that may have to go.
struct Candidate {
    id: SocketId,
    remote: IpAddr,
    /// Whether its peer has ever sent something.
    has_sent: bool,
    /// When it became idle; 0 for not idle, or new.
    idle_since: u64,
    stalled_ticks: u32,
}

impl Engine {
    /// Takes the next waiting connection of a listener, if there is room for it; else makes room.
    pub(super) fn accept(&mut self, id: ListenerId) -> Option<SocketId> {
        let listener = self.tcp.listeners.get(id)?;
        if listener.has_no_room() {
            self.make_room(id);
        }
        let listener = self.tcp.listeners.get(id).filter(|listener| !listener.has_no_room())?;
        let socket = listener.queue.pop_front()?;
        listener.open += 1;
        if let Some((connection, _)) = self.sockets.connection(socket) {
            connection.is_accepted = true;
        }
        Some(socket)
    }

    /// Closes a connection of a listener, for one that waits: one whose peer has never sent anything, or else the one that is
    /// idle for longest; of the peers that have more than half of all, if there are such. If none is idle, the one whose peer has
    /// taken nothing for longest is reset. It does not count any more, so that a peer that has vanished keeps no other waiting.
    fn make_room(&mut self, id: ListenerId) {
        let now = crate::stack::now();
        let Some(listener) = self.tcp.listeners.get(id) else { return };
        let share = (listener.config.max_connections / 2).max(1);
        let mut candidates: Vec<Candidate> = Vec::new();
        if candidates.try_reserve_exact(self.sockets.len()).is_err() {
            return;
        }
        for socket in self.sockets.ids() {
            let Some((connection, live)) = self.sockets.connection(socket) else { continue };
            if connection.listener != Some(id) || !connection.is_accepted {
                continue;
            }
            // What has arrived and was not read is a request.
            let has_data = live.is_some_and(|socket| socket.recv_queue() > 0);
            let has_sent = connection.read > 0;
            let is_new = !has_sent && now < connection.opened_at + SILENT;
            let idle_since = if has_data || is_new { 0 } else { connection.idle_since };
            let (remote, stalled_ticks) = (connection.endpoints.remote, connection.stalled_ticks);
            candidates.push(Candidate { id: socket, remote, has_sent, idle_since, stalled_ticks });
        }
        sort::by(&mut candidates, |one, other| one.remote < other.remote);
        let Some(first) = self.remote_of_waiting(id, 0) else { return };
        let count_of = |remote| {
            let begin = candidates.partition_point(|other| other.remote < remote);
            candidates[begin..].partition_point(|other| other.remote == remote)
        };
        let oldest_idle = |may_be: &dyn Fn(IpAddr) -> bool| {
            let idle = candidates.iter().filter(|other| other.idle_since > 0 && may_be(other.remote));
            idle.min_by_key(|other| (other.has_sent, other.idle_since)).map(|other| other.id)
        };
        let stalled = |may_be: &dyn Fn(IpAddr) -> bool| {
            let stalled =
                candidates.iter().filter(|other| other.stalled_ticks >= STALLED_TICKS && may_be(other.remote));
            stalled.max_by_key(|other| other.stalled_ticks).map(|other| other.id)
        };
        if count_of(first) >= share {
            // It has its share, and may only replace its own.
            if let Some(id) = oldest_idle(&|remote| remote == first) {
                return self.evict(id);
            }
            if let Some(id) = stalled(&|remote| remote == first) {
                return self.replace(id);
            }
            // It delays no other peer.
            let mut others = (1..).map_while(|place| Some((place, self.remote_of_waiting(id, place)?)));
            let Some((place, _)) = others.find(|(_, remote)| count_of(*remote) < share) else { return };
            drop(others);
            if let Some(listener) = self.tcp.listeners.get(id)
                && let Some(socket) = listener.queue.remove(place)
            {
                listener.queue.push_front(socket);
            }
        }
        let mut peers = candidates.chunk_by(|first, second| first.remote == second.remote);
        let greedy = peers.find(|connections| connections.len() > share).map(|connections| connections[0].remote);
        let idle = oldest_idle(&|remote| Some(remote) == greedy).or_else(|| oldest_idle(&|_| true));
        if let Some(id) = idle {
            self.evict(id);
            return;
        }
        let of_greedy = greedy.and_then(|greedy| candidates.iter().find(|other| other.remote == greedy));
        if let Some(id) = of_greedy.map(|other| other.id).or_else(|| stalled(&|_| true)) {
            self.replace(id);
        }
    }

    /// Resets a connection for one that waits.
    fn replace(&mut self, id: SocketId) {
        self.abort(id);
        self.uncount(id);
    }

    /// Closes an idle connection; its stream finds it closed.
    fn evict(&mut self, id: SocketId) {
        let now = crate::stack::now();
        if self.tcp.evicted.len() >= MAX_EVICTED {
            self.end_evicted();
        }
        self.uncount(id);
        let Some((connection, socket)) = self.sockets.connection(id) else { return };
        connection.wake();
        if is_closing(socket.as_deref()) {
            // It only waits for its peer, which may not have received all yet.
            self.tcp.evicted.push_back(id);
        } else if self.adopt_to_close(id, now) {
            self.close(id);
            self.tcp.evicted.push_back(id);
        } else {
            self.send_reset(id);
            self.finish(id, TcpError::Closed);
        }
    }

    /// Makes room for another connection that is closed.
    fn end_evicted(&mut self) {
        let sockets = &mut self.sockets;
        self.tcp.evicted.retain(|id| {
            sockets.connection(*id).is_some_and(|(connection, _)| connection.is_evicted && connection.error.is_none())
        });
        if self.tcp.evicted.len() < MAX_EVICTED {
            return;
        }
        let is_spent = |id: &SocketId| {
            let Some((connection, socket)) = sockets.connection(*id) else { return true };
            connection.stalled_ticks > 1 || socket.is_none_or(|socket| socket.send_queue() == 0)
        };
        let place = self.tcp.evicted.iter().position(is_spent).unwrap_or_default();
        if let Some(id) = self.tcp.evicted.remove(place) {
            self.abort(id);
        }
    }

    /// Counts a connection no more as one of its listener's.
    fn uncount(&mut self, id: SocketId) {
        let Some((connection, _)) = self.sockets.connection(id) else { return };
        connection.is_evicted = true;
        if let Some(listener) = connection.listener.take().and_then(|listener| self.tcp.listeners.get(listener)) {
            listener.open = listener.open.saturating_sub(1);
        }
    }

    /// Parks the connection that is idle for longest of those with a socket, for its buffers.
    pub(super) fn park_oldest(&mut self, now: Instant) {
        let mut oldest: Option<(u64, SocketId)> = None;
        for id in self.sockets.ids() {
            let Some((connection, Some(socket))) = self.sockets.connection(id) else { continue };
            let key = (connection.idle_since, id);
            if connection.is_idle(socket) && key.0 > 0 && oldest.is_none_or(|(since, _)| key.0 < since) {
                oldest = Some(key);
            }
        }
        if let Some((_, id)) = oldest {
            self.park(id, now);
        }
    }

    /// Closes the sending side of a connection.
    pub(in crate::stack) fn close(&mut self, id: SocketId) {
        if let Some((_, Some(socket))) = self.sockets.connection(id) {
            socket.close();
            self.queue_and_wake(id);
        }
    }

    /// Resets a connection.
    pub(in crate::stack) fn abort(&mut self, id: SocketId) {
        let Some((connection, socket)) = self.sockets.connection(id) else { return };
        if connection.error.is_some() {
            return;
        }
        match socket {
            Some(socket) => {
                connection.error = Some(TcpError::Closed);
                Socket::abort(socket);
            }
            None => {
                self.send_reset(id);
                self.finish(id, TcpError::Closed);
            }
        }
        self.queue_and_wake(id);
    }
}
