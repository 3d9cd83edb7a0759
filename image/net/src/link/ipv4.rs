//! The header of IPv4 packets (RFC 791).

use core::net::Ipv4Addr;

use crate::checksum::Sum;

/// Bytes of a header without options.
pub(crate) const IPV4_HEADER: usize = 20;
pub(crate) const PROTOCOL_ICMP: u8 = 1;
pub(crate) const PROTOCOL_TCP: u8 = 6;
pub(crate) const PROTOCOL_UDP: u8 = 17;

/// Routers that a packet may pass (RFC 1340).
pub(crate) const TIME_TO_LIVE: u8 = 64;

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
        let options = packet.get(IPV4_HEADER..header_length).unwrap_or_default();
        if !is_consistent || Sum::default().add_20(ip).add(options).checksum() != [0; 2] {
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

/// Writes the checksum into the header of a packet, whose checksum field is zero.
#[inline]
pub(crate) fn fill_checksum(packet: &mut [u8]) {
    if let Some(header) = packet.first_chunk_mut::<IPV4_HEADER>() {
        let checksum = Sum::default().add_20(header).checksum();
        header[10..12].copy_from_slice(&checksum);
    }
}

/// Writes a header without options, for a packet that may be fragmented, before a payload of so many bytes.
pub(crate) fn write_header(
    header: &mut [u8],
    payload_length: usize,
    protocol: u8,
    source: Ipv4Addr,
    destination: Ipv4Addr,
) {
    let Some(ip) = header.first_chunk_mut::<IPV4_HEADER>() else { return };
    *ip = [0; IPV4_HEADER];
    // A longer payload is never passed.
    let total_length = u16::try_from(IPV4_HEADER + payload_length).unwrap_or(u16::MAX);
    ip[0] = 0x45;
    ip[2..4].copy_from_slice(&total_length.to_be_bytes());
    (ip[8], ip[9]) = (TIME_TO_LIVE, protocol);
    ip[12..16].copy_from_slice(&source.octets());
    ip[16..20].copy_from_slice(&destination.octets());
    fill_checksum(header);
}

/// Sets the number of routers that a packet may pass, in a header without options.
pub(crate) fn set_time_to_live(packet: &mut [u8], time_to_live: u8) {
    if packet.len() >= IPV4_HEADER {
        packet[8] = time_to_live;
        packet[10..12].fill(0);
        fill_checksum(packet);
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
