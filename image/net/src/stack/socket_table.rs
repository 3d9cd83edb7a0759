//! The table of a stack's sockets: finds the socket of a flow, and the sockets that may have something to send.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::hash::BuildHasherDefault;
use core::net::IpAddr;

use heapless::index_map::IndexMap;
use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::{AnySocket, tcp, udp};
use smoltcp::time::Instant;
use smoltcp::wire::IpAddress;

use crate::flow::{ConnectionHasher, ConnectionKey, ConnectionKey6, Flow};

/// The maximum number of sockets of a stack.
const MAX_SOCKETS: usize = 512;

/// The index of a socket in the table, valid until the socket is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SocketId(u16);

/// A socket in a smoltcp set of its own, and its place in the table.
pub(super) struct Entry {
    pub(super) set: SocketSet<'static>,
    handle: SocketHandle,
    key: Key,
    /// Whether it is in the queue of sockets that may have something to send.
    is_queued: bool,
    /// When to poll it though no frame arrives for it: a retransmission or another timer.
    deadline: Instant,
}

impl Entry {
    /// Returns the address of the peer of a connection.
    #[inline]
    pub(super) fn remote_address(&self) -> Option<IpAddr> {
        match self.key {
            Key::Connected(connection) => Some(connection.remote_address().into()),
            Key::Connected6(connection) => Some(connection.remote.into()),
            Key::Unconnected | Key::Listening(_) | Key::Udp(_) => None,
        }
    }
}

/// By what a received frame finds a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    /// Not at all: TCP, neither listening nor connected.
    Unconnected,
    Listening(u16),
    Connected(ConnectionKey),
    Connected6(ConnectionKey6),
    Udp(u16),
}

/// All sockets of a stack.
///
/// # Invariants
/// `connected` has exactly the entries whose key is [`Key::Connected`], `listening` those with [`Key::Listening`],
/// `datagrams` those with [`Key::Udp`]; `queue` those with `is_queued`, each once. No entry's deadline is before `deadline`.
pub(super) struct SocketTable {
    entries: Vec<Option<Entry>>,
    connected: Box<IndexMap<ConnectionKey, SocketId, BuildHasherDefault<ConnectionHasher>, MAX_SOCKETS>>,
    connected6: Box<IndexMap<ConnectionKey6, SocketId, BuildHasherDefault<ConnectionHasher>, MAX_SOCKETS>>,
    /// Few, so a linear search is fast.
    listening: Vec<(u16, SocketId)>,
    datagrams: Vec<(u16, SocketId)>,
    queue: VecDeque<SocketId>,
    /// A time before which no deadline ends.
    deadline: Instant,
}

/// Later than any time.
pub(super) const NEVER: Instant = Instant::from_micros_const(i64::MAX);

impl SocketTable {
    pub(super) fn new() -> Self {
        // At full capacity: queueing never allocates, and the memory that a stack takes does not depend on its history.
        let (entries, queue) = (Vec::with_capacity(MAX_SOCKETS), VecDeque::with_capacity(MAX_SOCKETS));
        let (listening, datagrams) = (Vec::with_capacity(MAX_SOCKETS), Vec::with_capacity(MAX_SOCKETS));
        Self {
            entries,
            connected: Box::default(),
            connected6: Box::default(),
            listening,
            datagrams,
            queue,
            deadline: NEVER,
        }
    }

    fn add(&mut self, socket: impl AnySocket<'static>, key: Key) -> Option<SocketId> {
        let free = self.entries.iter().position(Option::is_none);
        let index = free.unwrap_or(self.entries.len());
        let id = SocketId(u16::try_from(index).ok().filter(|_| index < MAX_SOCKETS)?);
        let mut set = SocketSet::new(Vec::with_capacity(1));
        let handle = set.add(socket);
        let entry = Entry { set, handle, key: Key::Unconnected, is_queued: false, deadline: NEVER };
        match free {
            Some(_) => self.entries[index] = Some(entry),
            None => self.entries.push(Some(entry)),
        }
        self.set_key(id, key);
        Some(id)
    }

    /// Adds a TCP socket; `None` when there are too many.
    pub(super) fn add_tcp(&mut self, socket: tcp::Socket<'static>) -> Option<SocketId> {
        self.add(socket, Key::Unconnected)
    }

    /// Adds a UDP socket bound to `port`; `None` when there are too many.
    pub(super) fn add_udp(&mut self, socket: udp::Socket<'static>, port: u16) -> Option<SocketId> {
        self.add(socket, Key::Udp(port))
    }

    /// Returns whether no UDP socket is bound to `port`.
    pub(super) fn is_udp_port_free(&self, port: u16) -> bool {
        with_port(&self.datagrams, port).is_none()
    }

    /// Removes a socket in any state.
    pub(super) fn remove(&mut self, id: SocketId) {
        self.set_key(id, Key::Unconnected);
        let entry = self.entries.get_mut(usize::from(id.0)).and_then(Option::take);
        if entry.is_some_and(|entry| entry.is_queued) {
            self.queue.retain(|queued| *queued != id);
        }
    }

    pub(super) fn entry(&mut self, id: SocketId) -> Option<&mut Entry> {
        self.entries.get_mut(usize::from(id.0))?.as_mut()
    }

    /// Returns a socket by the type that it was added as.
    pub(super) fn get<S: AnySocket<'static>>(&mut self, id: SocketId) -> Option<&mut S> {
        self.entry(id).map(|entry| entry.set.get_mut(entry.handle))
    }

    /// Returns the socket that a flow is for.
    pub(super) fn find(&self, flow: Flow) -> Option<SocketId> {
        match flow {
            Flow::Tcp(connection) => {
                let connected = self.connected.get(&connection).copied();
                connected.or_else(|| with_port(&self.listening, connection.local_port()))
            }
            Flow::Tcp6(connection) => {
                let connected = self.connected6.get(&connection).copied();
                connected.or_else(|| with_port(&self.listening, connection.local_port()))
            }
            Flow::Udp(port) => with_port(&self.datagrams, port),
        }
    }

    /// Changes the key of a socket.
    fn set_key(&mut self, id: SocketId, key: Key) {
        let Some(entry) = self.entries.get_mut(usize::from(id.0)).and_then(Option::as_mut) else { return };
        match entry.key {
            Key::Unconnected => {}
            Key::Listening(_) => self.listening.retain(|(_, other)| *other != id),
            Key::Udp(_) => self.datagrams.retain(|(_, other)| *other != id),
            Key::Connected(connection) => drop(self.connected.swap_remove(&connection)),
            Key::Connected6(connection) => drop(self.connected6.swap_remove(&connection)),
        }
        entry.key = key;
        match key {
            Key::Unconnected => {}
            Key::Listening(port) => self.listening.push((port, id)),
            Key::Udp(port) => self.datagrams.push((port, id)),
            // There is room for every socket.
            Key::Connected(connection) => drop(self.connected.insert(connection, id)),
            Key::Connected6(connection) => drop(self.connected6.insert(connection, id)),
        }
    }

    /// Updates the key of a TCP socket, whose state or peer may have changed.
    pub(super) fn update_key(&mut self, id: SocketId) {
        let Some(entry) = self.entries.get_mut(usize::from(id.0)).and_then(Option::as_mut) else { return };
        if matches!(entry.key, Key::Udp(_)) {
            return;
        }
        let socket = entry.set.get_mut::<tcp::Socket<'_>>(entry.handle);
        let key = match socket.state() {
            tcp::State::Closed => Key::Unconnected,
            tcp::State::Listen => Key::Listening(socket.listen_endpoint().port),
            _ if matches!(entry.key, Key::Connected(_) | Key::Connected6(_)) => return,
            _ => {
                let connection = socket.local_endpoint().zip(socket.remote_endpoint());
                connection.map_or(Key::Unconnected, |(local, remote)| match (local.addr, remote.addr) {
                    (IpAddress::Ipv6(own), IpAddress::Ipv6(peer)) => {
                        Key::Connected6(ConnectionKey6::new((own, local.port), (peer, remote.port)))
                    }
                    _ => ConnectionKey::of((remote.addr, remote.port).into(), local.port)
                        .map_or(Key::Unconnected, Key::Connected),
                })
            }
        };
        if entry.key != key {
            self.set_key(id, key);
        }
    }

    /// Queues a socket that may have something to send: it is polled in this poll of the stack or the next.
    pub(super) fn queue(&mut self, id: SocketId) {
        let Some(entry) = self.entries.get_mut(usize::from(id.0)).and_then(Option::as_mut) else { return };
        if !core::mem::replace(&mut entry.is_queued, true) {
            self.queue.push_back(id);
        }
    }

    /// Takes the next socket from the queue.
    pub(super) fn next_queued(&mut self) -> Option<SocketId> {
        let id = self.queue.pop_front()?;
        if let Some(entry) = self.entry(id) {
            entry.is_queued = false;
        }
        Some(id)
    }

    /// Sets when to poll a socket; queues it if that is now.
    pub(super) fn set_deadline(&mut self, id: SocketId, at: Option<Instant>, now: Instant) {
        if at.is_some_and(|at| at <= now) {
            self.queue(id);
            return;
        }
        let at = at.unwrap_or(NEVER);
        if let Some(entry) = self.entry(id) {
            entry.deadline = at;
        }
        // A lower bound: it stays when the socket with the earliest deadline gets a later one.
        self.deadline = self.deadline.min(at);
    }

    /// Returns a time before which no deadline ends.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Queues the sockets whose deadline has ended.
    pub(super) fn queue_due(&mut self, now: Instant) {
        if now < self.deadline {
            return;
        }
        self.deadline = NEVER;
        for index in 0..self.entries.len() {
            let Some(entry) = &mut self.entries[index] else { continue };
            if entry.deadline > now {
                self.deadline = self.deadline.min(entry.deadline);
                continue;
            }
            entry.deadline = NEVER;
            if let Ok(index) = u16::try_from(index) {
                self.queue(SocketId(index));
            }
        }
    }
}

fn with_port(list: &[(u16, SocketId)], port: u16) -> Option<SocketId> {
    list.iter().find(|(other, _)| *other == port).map(|(_, id)| *id)
}
