//! The raw and ICMP sockets of a stack, and what they have received.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::task::Waker;

use smoltcp::storage::{PacketBuffer, PacketMetadata};

use crate::ipv6;
use crate::link::ethernet::ETHERNET_HEADER;
use crate::link::icmp::{self, ICMP_HEADER, IcmpError};
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

    /// Passes a received IPv4 packet to the sockets that it is for. Returns whether there was one.
    #[cold]
    pub(in crate::stack) fn deliver_ipv4(&mut self, packet: &[u8], header: &Ipv4Header) -> bool {
        let payload = packet.get(header.header_length..).unwrap_or_default();
        let is_reply = header.protocol == PROTOCOL_ICMP && payload.first() == Some(&icmp::ECHO_REPLY);
        let echo = Some(payload).filter(|payload| is_reply && icmp::is_valid(payload));
        self.deliver(packet, header.protocol, header.source.into(), echo)
    }

    /// As [`deliver_ipv4`](Self::deliver_ipv4), with a frame whose packet has an IPv6 header alone. The checksum of ICMPv6 is
    /// verified (RFC 3542, 3.1).
    #[cold]
    pub(in crate::stack) fn deliver_ipv6(&mut self, frame: &[u8]) -> bool {
        let Some((headers, payload)) = frame.split_at_checked(ipv6::PAYLOAD) else { return false };
        let protocol = headers[ETHERNET_HEADER + 6];
        let is_icmp = protocol == ipv6::ICMPV6;
        let Some(ends) = ipv6::Endpoints::of(headers) else { return false };
        if is_icmp && !ipv6::is_checksum_valid(frame, protocol, ipv6::PAYLOAD) {
            return false;
        }
        let echo = Some(payload).filter(|payload| is_icmp && payload.first() == Some(&ipv6::ECHO_REPLY));
        self.deliver(&frame[ETHERNET_HEADER..], protocol, ends.source.into(), echo)
    }

    /// Passes a packet on; `echo` is the message of one with an answer to an echo request.
    fn deliver(&mut self, packet: &[u8], protocol: u8, source: IpAddr, echo: Option<&[u8]>) -> bool {
        let echo = echo.and_then(|message| Some((message, message.first_chunk::<ICMP_HEADER>()?)));
        let mut is_delivered = false;
        for entry in self.0.iter_mut().flatten() {
            let bytes = match (entry.filter, echo) {
                (Filter::Protocol(own), _) if own == protocol => packet,
                (Filter::Echo(own), Some((message, header))) if own.to_be_bytes() == header[4..6] => message,
                _ => continue,
            };
            is_delivered = true;
            // A full buffer drops it.
            if let Ok(room) = entry.received.enqueue(bytes.len(), source) {
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
                Filter::Echo(identifier) => {
                    matches!(error.protocol, PROTOCOL_ICMP | ipv6::ICMPV6) && identifier == error.local_port
                }
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
