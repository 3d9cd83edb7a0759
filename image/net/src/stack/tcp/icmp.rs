//! ICMP errors about connections: RFC 5461 for which of them end one, RFC 1191 for the maximum packet length of a path, and
//! RFC 5927 for which are believed.

use core::net::{IpAddr, Ipv4Addr};

use smoltcp::socket::tcp::State;
use smoltcp::time::Instant;

use super::error::TcpError;
use super::wire::{Endpoints, is_before};
use crate::checksum::Sum;
use crate::stack::engine::Engine;

const DESTINATION_UNREACHABLE: u8 = 3;
const FRAGMENTATION_NEEDED: u8 = 4;
const PROTOCOL_TCP: u8 = 6;
pub(in crate::stack) const PROTOCOL_ICMP: u8 = 1;

/// What an ICMP error reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::stack) enum IcmpErrorKind {
    /// The packet was too long: this is the most that passes, or 0 for not reported.
    TooLong { max_bytes: u16 },
    /// The protocol or the port is not reachable.
    Refused,
    /// The host or the network is not reachable.
    Unreachable,
}

/// An ICMP error about a TCP segment that this stack has sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::stack) struct IcmpError {
    pub(in crate::stack) endpoints: Endpoints,
    /// The sequence number of the segment.
    pub(in crate::stack) sequence: u32,
    /// The length of the packet that could not be delivered.
    pub(in crate::stack) packet_bytes: u16,
    pub(in crate::stack) kind: IcmpErrorKind,
}

impl IcmpError {
    /// Parses an ICMPv4 message; `None` if it is no error about a TCP segment, or is malformed.
    pub(in crate::stack) fn parse_v4(message: &[u8]) -> Option<Self> {
        let (header, quoted) = message.split_first_chunk::<8>()?;
        if header[0] != DESTINATION_UNREACHABLE || Sum::default().add(message).checksum() != [0, 0] {
            return None;
        }
        let kind = match header[1] {
            FRAGMENTATION_NEEDED => IcmpErrorKind::TooLong { max_bytes: u16::from_be_bytes([header[6], header[7]]) },
            2 | 3 => IcmpErrorKind::Refused,
            // 0, 1, 5 to 15: networks, hosts, prohibitions.
            _ => IcmpErrorKind::Unreachable,
        };
        let ip = quoted.first_chunk::<20>()?;
        if ip[0] >> 4 != 4 || ip[9] != PROTOCOL_TCP {
            return None;
        }
        // The first eight bytes of the segment are always there (RFC 792).
        let segment = quoted.get(usize::from(ip[0] & 0xf) * 4..)?.first_chunk::<8>()?;
        let address = |at: usize| IpAddr::V4(Ipv4Addr::new(ip[at], ip[at + 1], ip[at + 2], ip[at + 3]));
        let endpoints = Endpoints {
            local: address(12),
            remote: address(16),
            local_port: u16::from_be_bytes([segment[0], segment[1]]),
            remote_port: u16::from_be_bytes([segment[2], segment[3]]),
        };
        let sequence = u32::from_be_bytes([segment[4], segment[5], segment[6], segment[7]]);
        Some(Self { endpoints, sequence, packet_bytes: u16::from_be_bytes([ip[2], ip[3]]), kind })
    }
}

impl Engine {
    /// Handles an ICMP error about a connection.
    pub(in crate::stack) fn tcp_icmp_error(&mut self, error: &IcmpError, now: Instant) {
        let Some(id) = self.sockets.find_connection(&error.endpoints) else { return };
        let Some((connection, socket)) = self.sockets.connection(id) else { return };
        let Some(socket) = socket.filter(|_| connection.endpoints == error.endpoints) else { return };
        // Only what is in flight can have been dropped (RFC 5927, 4.1).
        let is_opening = socket.state() == State::SynSent;
        let lowest = if is_opening { connection.send_base.wrapping_sub(1) } else { connection.unacknowledged(socket) };
        if is_before(error.sequence, lowest) || !is_before(error.sequence, connection.sent_end) {
            return;
        }
        match error.kind {
            IcmpErrorKind::TooLong { max_bytes } => {
                let is_lower = max_bytes < self.tcp.mtu;
                let remote = error.endpoints.remote;
                if is_lower && self.tcp.path_mtu.lower(remote, max_bytes, error.packet_bytes, now) {
                    self.retransmit_soon(id, now);
                }
            }
            // Once it is open, they are soft errors: the path may come back (RFC 5461, 4.1; RFC 1122, 4.2.3.9).
            IcmpErrorKind::Refused if is_opening => self.finish(id, TcpError::Refused),
            IcmpErrorKind::Unreachable if is_opening => self.finish(id, TcpError::Unreachable),
            IcmpErrorKind::Refused | IcmpErrorKind::Unreachable => {}
        }
    }
}
