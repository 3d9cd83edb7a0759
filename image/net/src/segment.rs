//! The transport header of an IP packet, parsed once: for its checksum, and to find its socket.

use core::ops::Range;

use crate::link::ipv4::{Ipv4Header, PROTOCOL_TCP, PROTOCOL_UDP};

/// A TCP segment or a UDP datagram in a packet that holds all of it. Ranges are within the packet.
pub(crate) struct Segment {
    /// Its bytes.
    pub(crate) range: Range<usize>,
    /// Offset of its checksum.
    pub(crate) checksum: usize,
    pub(crate) protocol: u8,
    /// The bytes of both IP addresses.
    pub(crate) addresses: Range<usize>,
}

impl Segment {
    /// Parses the segment of a received IPv4 packet; `None` for another protocol or a malformed segment.
    #[inline]
    pub(crate) fn of_ipv4(header: &Ipv4Header) -> Option<Self> {
        Self::new(header.protocol, header.header_length..header.total_length, 12..20)
    }

    /// Parses the segment of a packet that this stack sends: without options or extension headers.
    #[inline]
    pub(crate) fn of_sent(packet: &[u8]) -> Option<Self> {
        match packet.first()? >> 4 {
            4 => Self::new(*packet.get(9)?, 20..packet.len(), 12..20),
            6 => Self::new(*packet.get(6)?, 40..packet.len(), 8..40),
            _ => None,
        }
    }

    #[inline]
    fn new(protocol: u8, range: Range<usize>, addresses: Range<usize>) -> Option<Self> {
        let (checksum, header) = match protocol {
            PROTOCOL_TCP => (16, 20),
            PROTOCOL_UDP => (6, 8),
            _ => return None,
        };
        let is_whole = range.start + header <= range.end;
        is_whole.then_some(Self { checksum: range.start + checksum, range, protocol, addresses })
    }
}
