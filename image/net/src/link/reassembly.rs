//! Reassembly of IPv4 fragments (RFC 791, 3.2; RFC 1122, 3.3.2): [`crate::reassembly`] with IPv4's headers.

use alloc::vec::Vec;
use core::net::Ipv4Addr;

use smoltcp::time::{Duration, Instant};

use super::ipv4::{self, IPV4_HEADER, Ipv4Header};
use crate::reassembly::{Fragment, Limits, PacketKey, Refused, Whole};

/// A few of the largest datagrams, and of one source fewer.
const LIMITS: Limits = Limits {
    header_bytes: IPV4_HEADER,
    payload_bytes: 65_535 - IPV4_HEADER,
    packets: 32,
    packets_of_source: 8,
    bytes: 512 * 1024,
    bytes_of_source: 192 * 1024,
    // RFC 1122 recommends 60 seconds; Linux takes 30.
    timeout: Duration::from_secs(30),
    // An identification of 16 bits is soon used again.
    remembers_invalid: false,
};

/// What identifies a datagram (RFC 791, 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key {
    source: Ipv4Addr,
    destination: Ipv4Addr,
    protocol: u8,
    identification: u16,
}

impl PacketKey for Key {
    type Source = Ipv4Addr;

    fn source(&self) -> Ipv4Addr {
        self.source
    }
}

/// The incomplete datagrams of an interface.
#[derive(Debug)]
pub(super) struct Reassembly(crate::reassembly::Reassembly<Key>);

impl Default for Reassembly {
    fn default() -> Self {
        Self(crate::reassembly::Reassembly::new(LIMITS))
    }
}

impl Reassembly {
    /// Adds a fragment. Returns the whole packet if it was the last one that was missing; its header is verified and
    /// has no options.
    pub(super) fn add(&mut self, packet: &[u8], header: &Ipv4Header, now: Instant) -> Result<Option<Vec<u8>>, Refused> {
        let identification = u16::from_be_bytes([packet[4], packet[5]]);
        let (source, destination, protocol) = (header.source, header.destination, header.protocol);
        let key = Key { source, destination, protocol, identification };
        let data = packet.get(header.header_length..header.total_length).ok_or(Refused)?;
        let (offset, is_last) = (usize::from(header.fragment & 0x1fff) * 8, header.fragment & 0x2000 == 0);
        let whole = self.0.add(key, Fragment { offset, data, is_last, protocol }, now)?;
        Ok(whole.map(|Whole { mut bytes, protocol }| {
            let length = bytes.len() - IPV4_HEADER;
            ipv4::write_header(&mut bytes, length, protocol, source, destination);
            bytes
        }))
    }
}

#[cfg(test)]
mod tests;
