//! TCP segments in IP packets as the wrapper reads and writes them (RFC 9293, 3.1).

mod control;
mod incoming;
#[cfg(test)]
mod tests;

use core::net::IpAddr;

use crate::flow::{ConnectionKey, ConnectionKey6, Flow};

pub(in crate::stack) use self::control::Control;
pub(super) use self::incoming::Incoming;

pub(super) const FIN: u8 = 0x01;
pub(super) const SYN: u8 = 0x02;
pub(super) const RST: u8 = 0x04;
pub(super) const PSH: u8 = 0x08;
pub(super) const ACK: u8 = 0x10;

const IPV4_HEADER: usize = 20;
const IPV6_HEADER: usize = 40;
const TCP_HEADER: usize = 20;
const PROTOCOL_TCP: u8 = 6;
/// Bytes of the longest packet that the wrapper writes: an IPv6 header, and a SYN with its options.
pub(in crate::stack) const MAX_CONTROL_BYTES: usize = IPV6_HEADER + TCP_HEADER + 12;

/// The addresses and ports of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::stack) struct Endpoints {
    pub(in crate::stack) local: IpAddr,
    pub(in crate::stack) remote: IpAddr,
    pub(in crate::stack) local_port: u16,
    pub(in crate::stack) remote_port: u16,
}

impl Endpoints {
    /// Returns the flow of the connection's packets; `None` if the addresses are of two versions of IP.
    pub(in crate::stack) fn flow(&self) -> Option<Flow> {
        Some(match (self.local, self.remote) {
            (IpAddr::V6(local), IpAddr::V6(remote)) => {
                Flow::Tcp6(ConnectionKey6::new((local, self.local_port), (remote, self.remote_port)))
            }
            (IpAddr::V4(_), remote @ IpAddr::V4(_)) => {
                Flow::Tcp(ConnectionKey::of((remote, self.remote_port).into(), self.local_port)?)
            }
            _ => return None,
        })
    }
}

/// The options of a SYN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct SynOptions {
    /// The maximum segment size (RFC 9293, 3.7.1).
    pub(super) max_segment_bytes: Option<u16>,
    /// The window scale (RFC 7323, 2), at most 14.
    pub(super) window_scale: Option<u8>,
    /// Selective acknowledgements are permitted (RFC 2018, 2).
    pub(super) permits_sack: bool,
}

/// Returns whether sequence number `first` is before `second` (RFC 9293, 3.4).
pub(super) const fn is_before(first: u32, second: u32) -> bool {
    (first.wrapping_sub(second) as i32) < 0
}

fn be_u16(bytes: &[u8]) -> u16 {
    u16::from_be_bytes([bytes[0], bytes[1]])
}

fn be_u32(bytes: &[u8]) -> u32 {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}
