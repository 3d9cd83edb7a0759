//! The streams of a device, and the protocol between them and packets.

use alloc::collections::btree_map::Entry;
use alloc::collections::{BTreeMap, VecDeque};
use core::ops::Bound;

use atomic_waker::AtomicWaker;

use super::connection::{Connection, Progress};
use super::packet::{Header, NO_RECEIVE, NO_SEND, Operation, VsockAddress};

/// The most streams at a time. Requests beyond are refused.
const MAX_CONNECTIONS: usize = 64;
/// The most streams of a listener that were not accepted yet.
const MAX_BACKLOG: usize = 8;
/// The most resets that wait for room. More packets to nowhere are dropped.
const MAX_RESETS: usize = 16;
/// The first of the ports that are chosen for connections.
const FIRST_EPHEMERAL: u32 = 0xc000_0000;

/// A stream's port here and its peer.
pub(super) type Key = (u32, VsockAddress);

/// A port on which streams are accepted.
#[derive(Debug, Default)]
pub(super) struct Listening {
    pub(super) backlog: VecDeque<Key>,
    pub(super) waker: AtomicWaker,
}

/// The streams and listeners.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) cid: u64,
    pub(super) connections: BTreeMap<Key, Connection>,
    pub(super) listeners: BTreeMap<u32, Listening>,
    resets: VecDeque<Key>,
    next_port: u32,
    /// The stream that sends next, so that all have their turn.
    turn: Option<Key>,
    pub(super) is_closed: bool,
}

impl Table {
    pub(super) fn new(cid: u64) -> Self {
        Self {
            cid,
            connections: BTreeMap::new(),
            listeners: BTreeMap::new(),
            resets: VecDeque::new(),
            next_port: FIRST_EPHEMERAL,
            turn: None,
            is_closed: false,
        }
    }

    /// Begins a connection; `None` when there are too many.
    pub(super) fn connect(&mut self, peer: VsockAddress) -> Option<Key> {
        if self.connections.len() >= MAX_CONNECTIONS {
            return None;
        }
        loop {
            let key = (self.next_port, peer);
            self.next_port = self.next_port.checked_add(1).filter(|port| *port < u32::MAX).unwrap_or(FIRST_EPHEMERAL);
            if let Entry::Vacant(place) = self.connections.entry(key) {
                place.insert(Connection::new(Progress::Connecting, Operation::Request));
                return Some(key);
            }
        }
    }

    /// Carries out a packet of a peer.
    pub(super) fn receive(&mut self, header: &Header, data: &[u8]) {
        let key = (header.destination.port, header.source);
        if header.destination.cid != self.cid {
            return;
        }
        let Some(operation) = header.operation.filter(|_| header.is_stream) else { return self.reset(key, header) };
        let Some(connection) = self.connections.get_mut(&key) else {
            match operation {
                Operation::Request => self.request(key, header),
                Operation::Reset => {}
                _ => self.reset(key, header),
            }
            return;
        };
        connection.note_credit(header);
        match (operation, connection.progress) {
            (Operation::Reset, progress) => {
                let was_refused = progress == Progress::Connecting;
                return self.end(key, was_refused);
            }
            (Operation::Response, Progress::Connecting) => connection.progress = Progress::Connected,
            (Operation::Data, Progress::Connected) if connection.peer_shutdown & NO_SEND == 0 => {
                if !connection.receive(data) {
                    log::warn!("virtio-vsock: {}:{} sends more than its credit", key.1.cid, key.1.port);
                    connection.pending = Some(Operation::Reset);
                    return self.end(key, false);
                }
            }
            (Operation::Shutdown, Progress::Connected) => {
                connection.peer_shutdown |= header.flags & (NO_RECEIVE | NO_SEND);
                if connection.peer_shutdown == NO_RECEIVE | NO_SEND {
                    // The answer to a shutdown of both directions (5.10.6.5).
                    connection.pending = Some(Operation::Reset);
                    return self.end(key, false);
                }
            }
            (Operation::CreditUpdate, Progress::Connected) => {}
            (Operation::CreditRequest, Progress::Connected) => {
                connection.pending.get_or_insert(Operation::CreditUpdate);
            }
            (_, Progress::Closed { .. }) => {}
            _ => {
                connection.pending = Some(Operation::Reset);
                return self.end(key, false);
            }
        }
        if let Some(connection) = self.connections.get(&key) {
            connection.wake();
        }
    }

    fn request(&mut self, key: Key, header: &Header) {
        let has_room = self.connections.len() < MAX_CONNECTIONS;
        match self.listeners.get_mut(&key.0).filter(|listening| has_room && listening.backlog.len() < MAX_BACKLOG) {
            Some(listening) => {
                let mut connection = Connection::new(Progress::Connected, Operation::Response);
                connection.note_credit(header);
                self.connections.insert(key, connection);
                listening.backlog.push_back(key);
                listening.waker.wake();
            }
            None => self.reset(key, header),
        }
    }

    /// Refuses a packet that belongs to no stream.
    fn reset(&mut self, key: Key, header: &Header) {
        if header.operation != Some(Operation::Reset) && self.resets.len() < MAX_RESETS {
            self.resets.push_back(key);
        }
    }

    /// Ends a stream. It is kept while its user has it, or a packet for it is to be sent.
    pub(super) fn end(&mut self, key: Key, was_refused: bool) {
        let Some(connection) = self.connections.get_mut(&key) else { return };
        connection.progress = Progress::Closed { was_refused };
        connection.to_send.clear();
        connection.wake();
        self.forget(key);
    }

    /// Removes a stream that has ended and that has no user.
    pub(super) fn forget(&mut self, key: Key) {
        let is_done = self.connections.get(&key).is_some_and(|connection| {
            connection.is_dropped
                && connection.pending.is_none()
                && matches!(connection.progress, Progress::Closed { .. })
        });
        if is_done {
            self.connections.remove(&key);
        }
    }

    /// Returns the next packet that is to be sent: its header, with its data in `data`.
    pub(super) fn next_packet(&mut self, data: &mut [u8]) -> Option<Header> {
        let header = |cid, (port, peer): Key, operation| Header {
            source: VsockAddress { cid, port },
            destination: peer,
            length: 0,
            is_stream: true,
            operation: Some(operation),
            flags: 0,
            buffer_bytes: 0,
            taken: 0,
        };
        if let Some(key) = self.resets.pop_front() {
            return Some(header(self.cid, key, Operation::Reset));
        }
        let mut last = self.turn;
        for _ in 0..self.connections.len() {
            let key = self.key_after(last)?;
            last = Some(key);
            let connection = self.connections.get_mut(&key)?;
            let Some((operation, count)) = connection.next_operation(data.len()) else { continue };
            for (place, byte) in data.iter_mut().zip(connection.to_send.drain(..count)) {
                *place = byte;
            }
            let mut header = header(self.cid, key, operation);
            header.length = u32::try_from(count).unwrap_or_default();
            header.flags = if operation == Operation::Shutdown { connection.reported_shutdown } else { 0 };
            (header.buffer_bytes, header.taken) = connection.report_credit();
            if connection.is_dropped && connection.reported_shutdown == NO_RECEIVE | NO_SEND {
                // What the peer sends from now on belongs to no stream.
                connection.progress = Progress::Closed { was_refused: false };
            }
            self.turn = Some(key);
            self.forget(key);
            return Some(header);
        }
        None
    }

    /// Returns the stream after another one, in a circle.
    fn key_after(&self, last: Option<Key>) -> Option<Key> {
        let after = last.and_then(|last| self.connections.range((Bound::Excluded(last), Bound::Unbounded)).next());
        after.or_else(|| self.connections.first_key_value()).map(|(key, _)| *key)
    }

    /// Ends the use of a stream: what was written is sent, then it is shut down.
    pub(super) fn drop_stream(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(&key) else { return };
        connection.is_dropped = true;
        connection.received.clear();
        match connection.progress {
            Progress::Connected => connection.shutdown = NO_RECEIVE | NO_SEND,
            Progress::Connecting => {
                // A request that was not sent needs no reset.
                let was_sent = connection.pending.take().is_none();
                connection.pending = was_sent.then_some(Operation::Reset);
                self.end(key, false);
            }
            Progress::Closed { .. } => self.forget(key),
        }
    }

    /// Ends listening on a port, with the streams that were not accepted.
    pub(super) fn drop_listener(&mut self, port: u32) {
        for key in self.listeners.remove(&port).into_iter().flat_map(|listening| listening.backlog) {
            if let Some(connection) = self.connections.get_mut(&key) {
                (connection.is_dropped, connection.pending) = (true, Some(Operation::Reset));
            }
            self.end(key, false);
        }
    }

    /// Ends all streams, as after a reset of the transport; with `is_final` also those to come.
    pub(super) fn end_all(&mut self, is_final: bool) {
        self.is_closed |= is_final;
        self.resets.clear();
        for connection in self.connections.values_mut() {
            (connection.progress, connection.pending) = (Progress::Closed { was_refused: false }, None);
            connection.wake();
        }
        self.connections.retain(|_, connection| !connection.is_dropped);
        for listening in self.listeners.values_mut() {
            listening.backlog.clear();
            listening.waker.wake();
        }
    }
}
