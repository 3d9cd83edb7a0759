//! Packets of raw and ICMP sockets.

use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};

use crate::ipv6::{self, Endpoints, PAYLOAD};
use crate::link::ethernet::ETHERNET_HEADER;
use crate::link::ipv4::{self, IPV4_HEADER};
use crate::stack::SendError;

/// The longest packet of IPv4, and the longest payload of IPv6.
const MAX_BYTES: usize = 65_535;

/// Returns zeroes with the payload behind them.
fn with_room(headers: usize, payload: &[u8]) -> Result<Vec<u8>, SendError> {
    let mut packet = Vec::new();
    packet.try_reserve_exact(headers + payload.len()).map_err(|_| SendError::NoRoom)?;
    packet.resize(headers, 0);
    packet.extend_from_slice(payload);
    Ok(packet)
}

/// Returns an IPv4 packet.
pub(in crate::stack) fn packet(
    source: Ipv4Addr,
    destination: Ipv4Addr,
    protocol: u8,
    time_to_live: u8,
    payload: &[u8],
) -> Result<Vec<u8>, SendError> {
    if payload.len() > MAX_BYTES - IPV4_HEADER {
        return Err(SendError::TooLong);
    }
    let mut packet = with_room(IPV4_HEADER, payload)?;
    ipv4::write_header(&mut packet, payload.len(), protocol, source, destination);
    ipv4::set_time_to_live(&mut packet, time_to_live);
    Ok(packet)
}

/// Returns an IPv6 packet, with the checksum of ICMPv6.
pub(in crate::stack) fn packet6(
    source: Ipv6Addr,
    destination: Ipv6Addr,
    protocol: u8,
    hop_limit: u8,
    payload: &[u8],
) -> Result<Vec<u8>, SendError> {
    if payload.len() > MAX_BYTES {
        return Err(SendError::TooLong);
    }
    let mut frame = with_room(PAYLOAD, payload)?;
    let ends = Endpoints { source_mac: [0; 6], destination_mac: [0; 6], source, destination };
    ipv6::write_headers(&mut frame, &ends, protocol, hop_limit, payload.len());
    if protocol == ipv6::ICMPV6 {
        ipv6::fill_checksum(&mut frame, protocol, PAYLOAD, PAYLOAD + 2);
    }
    // The link layer adds the Ethernet header.
    frame.drain(..ETHERNET_HEADER);
    Ok(frame)
}
