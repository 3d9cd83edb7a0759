//! By what frames find the sockets of the table.

use super::entry::Key;
use super::{RECENT, SocketId, SocketTable, index};
use crate::flow::{ConnectionKey, Flow};

impl SocketTable {
    /// Returns the socket that a flow is for.
    #[inline]
    pub(in crate::stack) fn find(&self, flow: Flow) -> Option<SocketId> {
        match flow {
            Flow::Tcp(connection) => self.connected.get(&connection).copied(),
            Flow::Tcp6(connection) => self.connected6.get(&connection).copied(),
            Flow::Udp(_) => None,
        }
    }

    /// As [`find`](Self::find), for a segment over IPv4.
    #[inline]
    pub(in crate::stack) fn find_connected(&mut self, key: ConnectionKey) -> Option<SocketId> {
        match self.recent[key.place::<RECENT>()] {
            Some((recent, id)) if recent == key => Some(id),
            _ => self.find_in_map(key),
        }
    }

    fn find_in_map(&mut self, key: ConnectionKey) -> Option<SocketId> {
        let id = *self.connected.get(&key)?;
        self.recent[key.place::<RECENT>()] = Some((key, id));
        Some(id)
    }

    /// Changes the key of a socket.
    pub(super) fn set_key(&mut self, id: SocketId, key: Key) {
        let Some(entry) = self.entries.get_mut(index(id)).and_then(Option::as_mut) else { return };
        match entry.key {
            Key::Unconnected => {}
            Key::Connected(connection) => {
                self.connected.remove(&connection);
                self.recent[connection.place::<RECENT>()] = None;
            }
            Key::Connected6(connection) => drop(self.connected6.remove(&connection)),
        }
        entry.key = key;
        match key {
            Key::Unconnected => {}
            // There is room, by `reserve`.
            Key::Connected(connection) => drop(self.connected.insert(connection, id)),
            Key::Connected6(connection) => drop(self.connected6.insert(connection, id)),
        }
    }
}
