//! The headers of a frame, parsed once: for its checksum, and to find its socket.

use core::ops::Range;

pub(crate) const ETHERNET_HEADER: usize = 14;
const ETHERTYPE_IPV4: [u8; 2] = [0x08, 0x00];
const ETHERTYPE_ARP: [u8; 2] = [0x08, 0x06];
pub(crate) const PROTOCOL_TCP: u8 = 6;
pub(crate) const PROTOCOL_UDP: u8 = 17;
/// The bytes of both IPv4 addresses within a frame.
pub(crate) const ADDRESSES: Range<usize> = ETHERNET_HEADER + 12..ETHERNET_HEADER + 20;

/// A TCP segment or a UDP datagram in a frame that holds all of it.
pub(crate) struct Segment {
    /// Its bytes within the frame.
    pub(crate) range: Range<usize>,
    pub(crate) length: u16,
    /// Offset of its checksum within the frame.
    pub(crate) checksum: usize,
    pub(crate) protocol: u8,
    pub(crate) is_fragment: bool,
}

impl Segment {
    /// Parses a frame; `None` for another protocol or a malformed frame, which is left to smoltcp.
    pub(crate) fn of(frame: &[u8]) -> Option<Self> {
        let (header, packet) = frame.split_at_checked(ETHERNET_HEADER)?;
        let ip = packet.first_chunk::<20>()?;
        if header[12..] != ETHERTYPE_IPV4 {
            return None;
        }
        let protocol = ip[9];
        let checksum = match protocol {
            PROTOCOL_TCP => 16,
            PROTOCOL_UDP => 6,
            _ => return None,
        };
        let (header_length, total_length) = (u16::from(ip[0] & 0xf) * 4, u16::from_be_bytes([ip[2], ip[3]]));
        let (start, end) = (usize::from(header_length), usize::from(total_length));
        // A short frame ends in padding, which is not part of the packet.
        if start < ip.len() || end > packet.len() || start + checksum + 2 > end {
            return None;
        }
        // The flag for more fragments to follow, or an offset (RFC 791, 3.1).
        let is_fragment = u16::from_be_bytes([ip[6], ip[7]]) & 0x3fff != 0;
        let range = ETHERNET_HEADER + start..ETHERNET_HEADER + end;
        Some(Self {
            checksum: range.start + checksum,
            range,
            length: total_length - header_length,
            protocol,
            is_fragment,
        })
    }
}

/// Returns whether a frame is of the address resolution protocol (RFC 826).
pub(crate) fn is_arp(frame: &[u8]) -> bool {
    frame.get(12..ETHERNET_HEADER).is_some_and(|ethertype| ethertype == ETHERTYPE_ARP)
}
