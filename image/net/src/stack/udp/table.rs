//! The UDP sockets of a stack, by port, and their datagrams.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::task::Waker;

use smoltcp::storage::{PacketBuffer, PacketMetadata};

use crate::link::icmp::IcmpError;
use crate::stack::SocketError;

/// The maximum number of UDP sockets of a stack.
const MAX_SOCKETS: usize = 256;

/// The index of a socket in the table, valid until the socket is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::stack) struct UdpId(u16);

/// A socket, with the datagrams that were received and those that have to be sent.
pub(in crate::stack) struct UdpEntry {
    pub(in crate::stack) port: u16,
    /// With their senders.
    pub(in crate::stack) received: PacketBuffer<'static, SocketAddr>,
    /// With their destinations.
    pub(in crate::stack) to_send: PacketBuffer<'static, SocketAddr>,
    /// Of the task that waits to receive.
    pub(in crate::stack) receive_waker: Option<Waker>,
    /// Of the task that waits to send.
    pub(in crate::stack) send_waker: Option<Waker>,
    /// The last error that was reported about a datagram.
    pub(in crate::stack) error: Option<IcmpError>,
    /// Of the task that waits for an error.
    pub(in crate::stack) error_waker: Option<Waker>,
    /// Routers that a datagram to a group may pass.
    pub(in crate::stack) multicast_hops: u8,
    is_queued: bool,
}

/// What became of a received datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::stack) enum Delivery {
    Delivered,
    /// The receive buffer is full.
    Full,
    /// No socket has the port.
    NoSocket,
}

/// # Invariants
/// `ports` has each socket once. `queue` has those with `is_queued`, each once.
#[derive(Default)]
pub(in crate::stack) struct UdpTable {
    entries: Vec<Option<UdpEntry>>,
    /// Few, so a linear search is fast.
    ports: Vec<(u16, UdpId)>,
    queue: VecDeque<UdpId>,
    /// The multicast groups that sockets have joined.
    groups: Vec<(IpAddr, UdpId)>,
}

/// Returns a buffer for so many datagrams of together so many bytes.
fn buffer(datagrams: usize, bytes: usize) -> Result<PacketBuffer<'static, SocketAddr>, SocketError> {
    let (mut metadata, mut payload) = (Vec::new(), Vec::new());
    metadata.try_reserve_exact(datagrams).map_err(|_| SocketError::NoMemory)?;
    metadata.resize(datagrams, PacketMetadata::EMPTY);
    payload.try_reserve_exact(bytes).map_err(|_| SocketError::NoMemory)?;
    payload.resize(bytes, 0);
    Ok(PacketBuffer::new(metadata, payload))
}

impl UdpTable {
    /// Adds a socket on `port`, with buffers for so many datagrams of together so many bytes in each direction.
    pub(in crate::stack) fn add(&mut self, port: u16, datagrams: usize, bytes: usize) -> Result<UdpId, SocketError> {
        if port == 0 {
            return Err(SocketError::InvalidPort);
        }
        if self.find(port).is_some() {
            return Err(SocketError::PortInUse);
        }
        let free = self.entries.iter().position(Option::is_none);
        let index = free.unwrap_or(self.entries.len());
        if index >= MAX_SOCKETS {
            return Err(SocketError::TooManySockets);
        }
        let id = UdpId(u16::try_from(index).map_err(|_| SocketError::TooManySockets)?);
        let entry = UdpEntry {
            port,
            received: buffer(datagrams, bytes)?,
            to_send: buffer(datagrams, bytes)?,
            receive_waker: None,
            send_waker: None,
            error: None,
            error_waker: None,
            multicast_hops: 1,
            is_queued: false,
        };
        match free {
            Some(_) => self.entries[index] = Some(entry),
            None => self.entries.push(Some(entry)),
        }
        self.ports.push((port, id));
        Ok(id)
    }

    /// Removes a socket, and drops its datagrams.
    pub(in crate::stack) fn remove(&mut self, id: UdpId) {
        self.ports.retain(|(_, other)| *other != id);
        self.queue.retain(|other| *other != id);
        if let Some(entry) = self.entries.get_mut(usize::from(id.0)) {
            *entry = None;
        }
    }

    #[inline]
    pub(in crate::stack) fn get(&mut self, id: UdpId) -> Option<&mut UdpEntry> {
        self.entries.get_mut(usize::from(id.0))?.as_mut()
    }

    /// Returns the socket on a port.
    #[inline]
    pub(in crate::stack) fn find(&self, port: u16) -> Option<UdpId> {
        self.ports.iter().find(|(other, _)| *other == port).map(|(_, id)| *id)
    }

    /// Notes that a socket has joined a group.
    pub(in crate::stack) fn join(&mut self, id: UdpId, group: IpAddr) {
        if !self.groups.contains(&(group, id)) {
            self.groups.push((group, id));
        }
    }

    /// Notes that a socket has left a group. Returns whether it was the last one in it.
    pub(in crate::stack) fn leave(&mut self, id: UdpId, group: IpAddr) -> bool {
        let before = self.groups.len();
        self.groups.retain(|joined| *joined != (group, id));
        self.groups.len() < before && self.groups.iter().all(|(other, _)| *other != group)
    }

    /// Returns a group that a socket has joined.
    pub(in crate::stack) fn group_of(&self, id: UdpId) -> Option<IpAddr> {
        self.groups.iter().find(|(_, other)| *other == id).map(|(group, _)| *group)
    }

    /// Returns whether the socket on a port has joined a group.
    #[cold]
    pub(in crate::stack) fn is_member(&self, port: u16, group: IpAddr) -> bool {
        self.find(port).is_some_and(|id| self.groups.contains(&(group, id)))
    }

    /// Passes a received datagram to the socket on its port.
    #[inline]
    pub(in crate::stack) fn deliver(&mut self, port: u16, source: SocketAddr, payload: &[u8]) -> Delivery {
        let Some(entry) = self.find(port).and_then(|socket| self.get(socket)) else { return Delivery::NoSocket };
        let Ok(room) = entry.received.enqueue(payload.len(), source) else { return Delivery::Full };
        room.copy_from_slice(payload);
        if let Some(waker) = &entry.receive_waker {
            waker.wake_by_ref();
        }
        Delivery::Delivered
    }

    /// Queues a socket that has a datagram to send.
    pub(in crate::stack) fn queue(&mut self, id: UdpId) {
        let Some(entry) = self.get(id) else { return };
        if !core::mem::replace(&mut entry.is_queued, true) {
            self.queue.push_back(id);
        }
    }

    /// Returns whether a socket may have a datagram to send.
    #[inline]
    pub(in crate::stack) fn has_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Takes the next socket that has a datagram to send.
    #[inline]
    pub(in crate::stack) fn next_queued(&mut self) -> Option<UdpId> {
        let id = self.queue.pop_front()?;
        if let Some(entry) = self.get(id) {
            entry.is_queued = false;
        }
        Some(id)
    }

    /// Keeps an error for the socket that it is about.
    pub(in crate::stack) fn report(&mut self, error: &IcmpError) {
        if let Some(entry) = self.find(error.local_port).and_then(|id| self.get(id)) {
            entry.error = Some(*error);
            if let Some(waker) = entry.error_waker.take() {
                waker.wake();
            }
        }
    }
}
