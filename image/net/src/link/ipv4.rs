//! The header of IPv4 packets (RFC 791).

use core::net::Ipv4Addr;

use etherparse::checksum::Sum16BitWords;

/// Bytes of a header without options.
pub(crate) const IPV4_HEADER: usize = 20;
pub(crate) const PROTOCOL_TCP: u8 = 6;
pub(crate) const PROTOCOL_UDP: u8 = 17;

/// What a received packet's header has of interest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ipv4Header {
    /// Bytes of the header, with its options.
    pub(crate) header_length: usize,
    /// Bytes of the packet. A short frame ends in padding, which is not part of it.
    pub(crate) total_length: usize,
    pub(crate) protocol: u8,
    pub(crate) source: Ipv4Addr,
    pub(crate) destination: Ipv4Addr,
    /// Not zero in a fragment: the flag for more fragments to follow, and the offset.
    pub(crate) fragment: u16,
}

impl Ipv4Header {
    /// Parses and verifies a header; `None` for another version, a wrong checksum, or lengths that contradict each other.
    #[inline]
    pub(crate) fn parse(packet: &[u8]) -> Option<Self> {
        let ip = packet.first_chunk::<IPV4_HEADER>()?;
        let (header_length, total_length) =
            (usize::from(ip[0] & 0xf) * 4, usize::from(u16::from_be_bytes([ip[2], ip[3]])));
        let is_consistent = ip[0] >> 4 == 4
            && header_length >= IPV4_HEADER
            && header_length <= total_length
            && total_length <= packet.len();
        if !is_consistent || sum(&packet[..header_length]) != 0 {
            return None;
        }
        Some(Self {
            header_length,
            total_length,
            protocol: ip[9],
            source: Ipv4Addr::new(ip[12], ip[13], ip[14], ip[15]),
            destination: Ipv4Addr::new(ip[16], ip[17], ip[18], ip[19]),
            fragment: u16::from_be_bytes([ip[6], ip[7]]) & 0x3fff,
        })
    }
}

/// Returns the checksum of a header.
#[inline]
fn sum(header: &[u8]) -> u16 {
    Sum16BitWords::new().add_slice(header).ones_complement()
}

/// Writes the checksum into the header of a packet, whose checksum field is zero.
#[inline]
pub(crate) fn fill_checksum(packet: &mut [u8]) {
    if let Some(header) = packet.first_chunk_mut::<IPV4_HEADER>() {
        // The sum is in native byte order, so the result is too.
        let checksum = sum(header);
        header[10..12].copy_from_slice(&checksum.to_ne_bytes());
    }
}

/// Returns the destination of a packet; unspecified for one that is too short.
#[inline]
pub(crate) fn destination_of(packet: &[u8]) -> Ipv4Addr {
    match packet.first_chunk::<IPV4_HEADER>() {
        Some(ip) => Ipv4Addr::new(ip[16], ip[17], ip[18], ip[19]),
        None => Ipv4Addr::UNSPECIFIED,
    }
}
