//! The connections that wait to be accepted, and the share of each peer.

use alloc::vec::Vec;
use core::net::IpAddr;

use super::error::TcpError;
use super::listener::ListenerId;
use crate::stack::engine::Engine;
use crate::stack::socket_table::SocketId;

impl Engine {
    /// Returns whether a peer has its share of a backlog that is more than half full: the rest is for others.
    pub(super) fn has_backlog_share(&mut self, id: ListenerId, remote: IpAddr) -> bool {
        let Some(listener) = self.tcp.listeners.get(id) else { return true };
        let half = listener.config.backlog.div_ceil(2);
        if listener.queue.len() < half {
            return false;
        }
        let sockets = &mut self.sockets;
        let is_of_peer = |id: &&SocketId| {
            sockets.connection(**id).is_some_and(|(connection, _)| connection.endpoints.remote == remote)
        };
        let own = listener.queue.iter().filter(is_of_peer).count();
        let has_others = listener.queue.len() > own;
        // One peer alone may have all of it.
        has_others && own >= half
    }

    /// Resets the newest of the connections of a peer that has most of a full backlog, for one of another peer. Returns whether
    /// there is room now.
    pub(super) fn displace(&mut self, id: ListenerId, newcomer: IpAddr) -> bool {
        let Some((place, remote)) = self.greedy_waiting(id) else { return false };
        if remote == newcomer {
            return false;
        }
        let socket = self.tcp.listeners.get(id).and_then(|listener| listener.queue.remove(place));
        if let Some(socket) = socket {
            self.send_reset(socket);
            self.finish(socket, TcpError::Closed);
        }
        socket.is_some()
    }

    /// Returns the last place in a backlog of a peer that has more than half of it, and the peer.
    pub(super) fn greedy_waiting(&mut self, id: ListenerId) -> Option<(usize, IpAddr)> {
        let listener = self.tcp.listeners.get(id)?;
        let mut remotes = Vec::new();
        remotes.try_reserve_exact(listener.queue.len()).ok()?;
        for socket in &listener.queue {
            remotes.push(self.sockets.connection(*socket)?.0.endpoints.remote);
        }
        // The one that is left when two that differ are struck out, again and again (Boyer and Moore).
        let (mut left, mut count) = (*remotes.first()?, 0);
        for remote in &remotes {
            if count == 0 {
                left = *remote;
            }
            count = if left == *remote { count + 1 } else { count - 1 };
        }
        let own = remotes.iter().filter(|remote| **remote == left).count();
        let place = remotes.iter().rposition(|remote| *remote == left)?;
        (own > remotes.len() / 2).then_some((place, left))
    }

    /// Returns the peer of a connection that waits at this place of a listener's queue.
    pub(super) fn remote_of_waiting(&mut self, id: ListenerId, place: usize) -> Option<IpAddr> {
        let socket = *self.tcp.listeners.get(id)?.queue.get(place)?;
        Some(self.sockets.connection(socket)?.0.endpoints.remote)
    }
}
