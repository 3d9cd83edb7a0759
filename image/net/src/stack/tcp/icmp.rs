//! ICMP errors about connections: RFC 5461 for which of them end one, RFC 1191 for the maximum packet length of a path, and
//! RFC 5927 for which are believed.

use smoltcp::socket::tcp::State;
use smoltcp::time::Instant;

use super::error::TcpError;
use super::wire::{Endpoints, is_before};
use crate::link::icmp::{IcmpError, IcmpErrorKind};
use crate::stack::engine::Engine;

/// What an ICMP error reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ConnectionErrorKind {
    /// The packet was too long: this is the most that passes, or 0 for not reported.
    TooLong { max_bytes: u16 },
    /// The protocol or the port is not reachable.
    Refused,
    /// The host or the network is not reachable.
    Unreachable,
}

/// An ICMP error about a TCP segment that this stack has sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ConnectionError {
    endpoints: Endpoints,
    /// The sequence number of the segment.
    sequence: u32,
    /// The length of the packet that could not be delivered.
    packet_bytes: u16,
    kind: ConnectionErrorKind,
}

impl ConnectionError {
    /// Returns what an error reports about a segment; `None` for one that ends no attempt to connect.
    fn new(error: &IcmpError) -> Option<Self> {
        let kind = match error.kind {
            IcmpErrorKind::TooBig { mtu } => ConnectionErrorKind::TooLong { max_bytes: mtu },
            IcmpErrorKind::ProtocolUnreachable | IcmpErrorKind::PortUnreachable => ConnectionErrorKind::Refused,
            IcmpErrorKind::NetworkUnreachable | IcmpErrorKind::HostUnreachable | IcmpErrorKind::Prohibited => {
                ConnectionErrorKind::Unreachable
            }
            IcmpErrorKind::TimeExceeded | IcmpErrorKind::ParameterProblem => return None,
        };
        let endpoints = Endpoints {
            local: error.local_address,
            remote: error.remote.ip(),
            local_port: error.local_port,
            remote_port: error.remote.port(),
        };
        Some(Self { endpoints, sequence: error.sequence, packet_bytes: error.packet_bytes, kind })
    }
}

impl Engine {
    /// Handles an ICMP error about a connection.
    pub(in crate::stack) fn tcp_icmp_error(&mut self, error: &IcmpError, now: Instant) {
        let Some(error) = ConnectionError::new(error) else { return };
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
            ConnectionErrorKind::TooLong { max_bytes } => {
                let is_lower = max_bytes < self.tcp.mtu;
                let remote = error.endpoints.remote;
                if is_lower && self.tcp.path_mtu.lower(remote, max_bytes, error.packet_bytes, now) {
                    self.retransmit_soon(id, now);
                }
            }
            // Once it is open, they are soft errors: the path may come back (RFC 5461, 4.1; RFC 1122, 4.2.3.9).
            ConnectionErrorKind::Refused if is_opening => self.finish(id, TcpError::Refused),
            ConnectionErrorKind::Unreachable if is_opening => self.finish(id, TcpError::Unreachable),
            ConnectionErrorKind::Refused | ConnectionErrorKind::Unreachable => {}
        }
    }
}
