//! The table of a stack's sockets: finds the socket of a flow, and the sockets that may have something to send.

mod deadlines;
mod entry;
mod keys;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::hash::BuildHasherDefault;

use hashbrown::HashMap;
use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::tcp;
use smoltcp::time::Instant;

use self::entry::Key;
use super::tcp::{Connection, Endpoints};
use crate::flow::{ConnectionHasher, ConnectionKey, ConnectionKey6, Flow};

pub(super) use self::entry::Entry;

/// The sockets for which there is room from the start.
const INITIAL_CAPACITY: usize = 64;
/// Connections that are found without the map.
const RECENT: usize = 64;

/// The index of a socket in the table, valid until the socket is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SocketId(u32);

/// All sockets of a stack: any number, while there is memory.
///
/// # Invariants
/// `connected` has exactly the entries whose key is [`Key::Connected`], `connected6` likewise; `queue` those
/// with `is_queued`, each once, and has room for all entries: queueing never allocates. What `recent` has, `connected` has too. `free` has the indices of the
/// empty entries. No entry's deadline is before `deadline`.
pub(super) struct SocketTable {
    entries: Vec<Option<Box<Entry>>>,
    free: Vec<SocketId>,
    connected: HashMap<ConnectionKey, SocketId, BuildHasherDefault<ConnectionHasher>>,
    connected6: HashMap<ConnectionKey6, SocketId, BuildHasherDefault<ConnectionHasher>>,
    /// Some of `connected`, each at its [place](ConnectionKey::place): a look-up there takes a fifth of one in the map.
    recent: [Option<(ConnectionKey, SocketId)>; RECENT],
    /// Few, so a linear search is fast.
    queue: VecDeque<SocketId>,
    /// A time before which no deadline ends.
    deadline: Instant,
}

/// Later than any time.
pub(super) const NEVER: Instant = Instant::from_micros_const(i64::MAX);

impl SocketTable {
    pub(super) fn new() -> Self {
        Self {
            entries: Vec::with_capacity(INITIAL_CAPACITY),
            free: Vec::with_capacity(INITIAL_CAPACITY),
            connected: HashMap::with_capacity_and_hasher(INITIAL_CAPACITY, BuildHasherDefault::default()),
            connected6: HashMap::default(),
            recent: [None; RECENT],
            queue: VecDeque::with_capacity(INITIAL_CAPACITY),
            deadline: NEVER,
        }
    }

    /// Makes room for another socket. Returns whether there was memory for it.
    fn reserve(&mut self) -> bool {
        let new = self.entries.len() + 1;
        self.entries.try_reserve(1).is_ok()
            && self.free.try_reserve(new.saturating_sub(self.free.len())).is_ok()
            && self.queue.try_reserve(new.saturating_sub(self.queue.len())).is_ok()
            && self.connected.try_reserve(1).is_ok()
            && self.connected6.try_reserve(1).is_ok()
    }

    fn add(&mut self, entry: Entry, key: Key) -> Option<SocketId> {
        if !self.reserve() {
            return None;
        }
        let entry = Some(Box::new(entry));
        let id = match self.free.pop() {
            Some(id) => {
                self.entries[index(id)] = entry;
                id
            }
            None => {
                let id = SocketId(u32::try_from(self.entries.len()).ok()?);
                self.entries.push(entry);
                id
            }
        };
        self.set_key(id, key);
        Some(id)
    }

    /// Adds a TCP connection without a socket; `None` when there is no memory, or another of the same addresses.
    pub(super) fn add_connection(&mut self, connection: Connection) -> Option<SocketId> {
        let flow = connection.endpoints.flow()?;
        if self.find(flow).is_some() {
            return None;
        }
        let key = match flow {
            Flow::Tcp(key) => Key::Connected(key),
            Flow::Tcp6(key) => Key::Connected6(key),
            Flow::Udp(_) => return None,
        };
        let set = SocketSet::new(Vec::new());
        let connection = Some(connection);
        let entry = Entry {
            set,
            handle: None,
            key: Key::Unconnected,
            is_queued: false,
            deadline: NEVER,
            acknowledge_at: NEVER,
            connection,
        };
        self.add(entry, key)
    }

    /// Returns the connection of these addresses.
    pub(super) fn find_connection(&self, endpoints: &Endpoints) -> Option<SocketId> {
        self.find(endpoints.flow()?)
    }

    /// Gives a parked connection the socket in `set`.
    pub(super) fn set_live(&mut self, id: SocketId, set: SocketSet<'static>, handle: SocketHandle) {
        if let Some(entry) = self.entry(id) {
            (entry.set, entry.handle) = (set, Some(handle));
        }
    }

    /// Takes the socket of a connection, in its set, which is parked then.
    pub(super) fn take_socket(&mut self, id: SocketId) -> Option<(SocketSet<'static>, SocketHandle)> {
        let entry = self.entry(id)?;
        let handle = entry.handle.take()?;
        Some((core::mem::replace(&mut entry.set, SocketSet::new(Vec::new())), handle))
    }

    /// Drops the socket of a connection.
    pub(super) fn set_parked(&mut self, id: SocketId) {
        if let Some(entry) = self.entry(id) {
            (entry.set, entry.handle, entry.deadline) = (SocketSet::new(Vec::new()), None, NEVER);
        }
    }

    /// Removes a connection from those that frames find and that are polled; its stream may still read.
    pub(super) fn disconnect(&mut self, id: SocketId) {
        self.set_key(id, Key::Unconnected);
        if let Some(entry) = self.entry(id) {
            entry.deadline = NEVER;
        }
    }

    /// Removes a socket in any state.
    pub(super) fn remove(&mut self, id: SocketId) {
        self.set_key(id, Key::Unconnected);
        let Some(entry) = self.entries.get_mut(index(id)).and_then(Option::take) else { return };
        self.free.push(id);
        if entry.is_queued {
            self.queue.retain(|queued| *queued != id);
        }
    }

    #[inline]
    pub(super) fn entry(&mut self, id: SocketId) -> Option<&mut Entry> {
        self.entries.get_mut(index(id))?.as_deref_mut()
    }

    /// Returns a TCP connection, and its socket if it is not parked.
    #[inline]
    pub(super) fn connection(&mut self, id: SocketId) -> Option<(&mut Connection, Option<&mut tcp::Socket<'static>>)> {
        self.entry(id)?.connection()
    }

    /// Returns the indices of all sockets, also of removed ones.
    pub(super) fn ids(&self) -> impl Iterator<Item = SocketId> + use<> {
        (0..u32::try_from(self.entries.len()).unwrap_or(u32::MAX)).map(SocketId)
    }

    /// Returns the number of sockets.
    pub(super) fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Queues a socket that may have something to send: it is polled in this poll of the stack or the next. Returns whether it
    /// was not queued before.
    #[inline]
    pub(super) fn queue(&mut self, id: SocketId) -> bool {
        let Some(entry) = self.entry(id) else { return false };
        let is_new = !entry.is_queued && entry.handle.is_some() && entry.key != Key::Unconnected;
        if is_new {
            entry.is_queued = true;
            self.queue.push_back(id);
        }
        is_new
    }

    /// Returns whether a socket is queued.
    #[inline]
    pub(super) fn has_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Returns whether a connection has no socket.
    #[inline]
    pub(super) fn is_parked(&mut self, id: SocketId) -> bool {
        self.entry(id).is_some_and(|entry| entry.handle.is_none())
    }

    /// Takes the next socket from the queue.
    #[inline]
    pub(super) fn next_queued(&mut self) -> Option<SocketId> {
        let id = self.queue.pop_front()?;
        if let Some(entry) = self.entry(id) {
            (entry.is_queued, entry.acknowledge_at) = (false, NEVER);
        }
        Some(id)
    }
}

const fn index(SocketId(index): SocketId) -> usize {
    index as usize
}
