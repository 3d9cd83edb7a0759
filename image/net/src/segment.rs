//! The headers of a frame, parsed once: for its checksum, and for the socket that it is for.

use core::ops::Range;

pub(crate) const ETHERNET_HEADER: usize = 14;
const ETHERTYPE_IPV4: [u8; 2] = [0x08, 0x00];
const ETHERTYPE_ARP: [u8; 2] = [0x08, 0x06];
pub(crate) const PROTOCOL_TCP: u8 = 6;
pub(crate) const PROTOCOL_UDP: u8 = 17;
/// Where both IPv4 addresses are in a frame.
pub(crate) const ADDRESSES: Range<usize> = ETHERNET_HEADER + 12..ETHERNET_HEADER + 20;

/// A TCP segment or a UDP datagram in an IPv4 packet in a frame. Made only of a frame that holds all of it.
pub(crate) struct Segment {
    /// Where it is in the frame.
    pub(crate) range: Range<usize>,
    pub(crate) length: u16,
    /// Where its checksum is in the frame.
    pub(crate) field: usize,
    pub(crate) protocol: u8,
    pub(crate) is_fragment: bool,
}

impl Segment {
    /// Parses a frame; `None` for one that holds something else or is malformed, which is left to smoltcp.
    pub(crate) fn of(frame: &[u8]) -> Option<Self> {
        let (header, packet) = frame.split_at_checked(ETHERNET_HEADER)?;
        let ip = packet.first_chunk::<20>()?;
        if header[12..] != ETHERTYPE_IPV4 {
            return None;
        }
        let protocol = ip[9];
        let field = match protocol {
            PROTOCOL_TCP => 16,
            PROTOCOL_UDP => 6,
            _ => return None,
        };
        let (before, all) = (u16::from(ip[0] & 0xf) * 4, u16::from_be_bytes([ip[2], ip[3]]));
        let (start, end) = (usize::from(before), usize::from(all));
        // A short frame ends in padding.
        if start < ip.len() || end > packet.len() || start + field + 2 > end {
            return None;
        }
        // More fragments to follow, or some before.
        let is_fragment = u16::from_be_bytes([ip[6], ip[7]]) & 0x3fff != 0;
        let range = ETHERNET_HEADER + start..ETHERNET_HEADER + end;
        Some(Self { field: range.start + field, range, length: all - before, protocol, is_fragment })
    }
}

/// Returns whether a frame is of the address resolution protocol.
pub(crate) fn is_arp(frame: &[u8]) -> bool {
    frame.get(12..ETHERNET_HEADER).is_some_and(|kind| kind == ETHERTYPE_ARP)
}
