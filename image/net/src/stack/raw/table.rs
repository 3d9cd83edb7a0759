//! The raw and ICMP sockets of a stack, and what they have received.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::task::Waker;

use smoltcp::storage::{PacketBuffer, PacketMetadata};

use crate::link::icmp::{ECHO_REPLY, ICMP_HEADER, IcmpError};
use crate::link::ipv4::{Ipv4Header, PROTOCOL_ICMP};
use crate::stack::SocketError;

/// The maximum number of raw and ICMP sockets of a stack.
const MAX_SOCKETS: usize = 32;

/// The index of a socket in the table, valid until the socket is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::stack) struct RawId(u16);

/// What a socket receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::stack) enum Filter {
    /// Whole packets of a protocol.
    Protocol(u8),
    /// The ICMP messages that answer echo requests with this identifier.
    Echo(u16),
}

/// A socket.
pub(in crate::stack) struct RawEntry {
    pub(in crate::stack) filter: Filter,
    /// With their senders.
    pub(in crate::stack) received: PacketBuffer<'static, IpAddr>,
    /// The last error that was reported about a packet.
    pub(in crate::stack) error: Option<IcmpError>,
    /// Of the task that waits for a packet or an error.
    pub(in crate::stack) waker: Option<Waker>,
}

/// The sockets of a stack.
#[derive(Default)]
pub(in crate::stack) struct RawTable(Vec<Option<RawEntry>>);

impl RawTable {
    /// Adds a socket, with a buffer for so many packets of together so many bytes.
    pub(in crate::stack) fn add(&mut self, filter: Filter, packets: usize, bytes: usize) -> Result<RawId, SocketError> {
        let free = self.0.iter().position(Option::is_none);
        let index = free.unwrap_or(self.0.len());
        if index >= MAX_SOCKETS {
            return Err(SocketError::TooManySockets);
        }
        let id = RawId(u16::try_from(index).map_err(|_| SocketError::TooManySockets)?);
        let (mut metadata, mut payload) = (Vec::new(), Vec::new());
        metadata.try_reserve_exact(packets).map_err(|_| SocketError::NoMemory)?;
        metadata.resize(packets, PacketMetadata::EMPTY);
        payload.try_reserve_exact(bytes).map_err(|_| SocketError::NoMemory)?;
        payload.resize(bytes, 0);
        let received = PacketBuffer::new(metadata, payload);
        let entry = RawEntry { filter, received, error: None, waker: None };
        match free {
            Some(_) => self.0[index] = Some(entry),
            None => self.0.push(Some(entry)),
        }
        Ok(id)
    }

    /// Removes a socket.
    pub(in crate::stack) fn remove(&mut self, id: RawId) {
        if let Some(entry) = self.0.get_mut(usize::from(id.0)) {
            *entry = None;
        }
        while self.0.last().is_some_and(Option::is_none) {
            self.0.pop();
        }
    }

    pub(in crate::stack) fn get(&mut self, id: RawId) -> Option<&mut RawEntry> {
        self.0.get_mut(usize::from(id.0))?.as_mut()
    }

    /// Returns whether there is no socket.
    #[inline]
    pub(in crate::stack) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns an identifier of echo requests that no socket has, from `start` on.
    pub(in crate::stack) fn free_identifier(&self, start: u16) -> u16 {
        let is_used = |identifier| self.0.iter().flatten().any(|entry| entry.filter == Filter::Echo(identifier));
        (0..=u16::MAX).map(|step| start.wrapping_add(step)).find(|identifier| !is_used(*identifier)).unwrap_or(start)
    }

    /// Passes a received packet to the sockets that it is for. Returns whether there was one.
    #[cold]
    pub(in crate::stack) fn deliver(&mut self, packet: &[u8], header: &Ipv4Header) -> bool {
        let payload = packet.get(header.header_length..).unwrap_or_default();
        let echo = payload.first_chunk::<ICMP_HEADER>();
        let echo = echo.filter(|message| header.protocol == PROTOCOL_ICMP && message[0] == ECHO_REPLY);
        let identifier = echo.map(|message| u16::from_be_bytes([message[4], message[5]]));
        let mut is_delivered = false;
        for entry in self.0.iter_mut().flatten() {
            let bytes = match entry.filter {
                Filter::Protocol(protocol) if protocol == header.protocol => packet,
                Filter::Echo(own) if Some(own) == identifier => payload,
                _ => continue,
            };
            is_delivered = true;
            // A full buffer drops it.
            if let Ok(room) = entry.received.enqueue(bytes.len(), header.source.into()) {
                room.copy_from_slice(bytes);
                if let Some(waker) = entry.waker.take() {
                    waker.wake();
                }
            }
        }
        is_delivered
    }

    /// Keeps an error for the sockets that it is about.
    pub(in crate::stack) fn report(&mut self, error: &IcmpError) {
        for entry in self.0.iter_mut().flatten() {
            let is_about = match entry.filter {
                Filter::Protocol(protocol) => protocol == error.protocol,
                Filter::Echo(identifier) => error.protocol == PROTOCOL_ICMP && identifier == error.local_port,
            };
            if is_about {
                entry.error = Some(*error);
                if let Some(waker) = entry.waker.take() {
                    waker.wake();
                }
            }
        }
    }
}
