//! Frames of control messages: Ethernet, IPv6 and ICMPv6 or UDP headers, with their checksum.

use core::net::Ipv6Addr;

use crate::checksum::Sum;

pub(crate) const ETHERNET_HEADER: usize = 14;
pub(crate) const IPV6_HEADER: usize = 40;
/// The offset of what follows the IPv6 header in a frame.
pub(crate) const PAYLOAD: usize = ETHERNET_HEADER + IPV6_HEADER;
pub(crate) const ETHERTYPE_IPV6: [u8; 2] = [0x86, 0xdd];
/// The minimum of what each link carries (RFC 8200, 5).
pub(crate) const MIN_MTU: usize = 1280;

pub(crate) const HOP_BY_HOP: u8 = 0;
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
pub(crate) const ICMPV6: u8 = 58;

/// The bytes of a control message at most, with all headers.
const CONTROL_BYTES: usize = 512;

/// The four addresses of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Endpoints {
    pub(crate) source_mac: [u8; 6],
    pub(crate) destination_mac: [u8; 6],
    pub(crate) source: Ipv6Addr,
    pub(crate) destination: Ipv6Addr,
}

impl Endpoints {
    /// Returns those of a frame.
    #[inline]
    pub(crate) fn of(frame: &[u8]) -> Option<Self> {
        let headers = frame.first_chunk::<PAYLOAD>()?;
        let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, ..] = *headers;
        let (destination_mac, source_mac) = ([d0, d1, d2, d3, d4, d5], [s0, s1, s2, s3, s4, s5]);
        let (source, destination) = (address_at(headers, 22)?, address_at(headers, 38)?);
        Some(Self { source_mac, destination_mac, source, destination })
    }
}

/// A frame of a control message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ControlFrame(heapless::Vec<u8, CONTROL_BYTES>);

impl ControlFrame {
    /// Returns a frame with an ICMPv6 message, whose checksum field is zero in `message`; `None` if it is too long.
    pub(crate) fn icmpv6(endpoints: &Endpoints, hop_limit: u8, message: &[u8]) -> Option<Self> {
        let mut frame = Self::with_headers(endpoints, ICMPV6, hop_limit, message.len())?;
        frame.0.extend_from_slice(message).ok()?;
        fill_checksum(&mut frame.0, ICMPV6, PAYLOAD, PAYLOAD + 2);
        Some(frame)
    }

    /// As [`icmpv6`](Self::icmpv6), with the router alert in a hop-by-hop header, by which routers notice a message of
    /// multicast listener discovery (RFC 2711, RFC 3810, 5).
    pub(crate) fn multicast_listener(endpoints: &Endpoints, message: &[u8]) -> Option<Self> {
        let options = [ICMPV6, 0, 5, 2, 0, 0, 1, 0];
        let mut frame = Self::with_headers(endpoints, HOP_BY_HOP, 1, options.len() + message.len())?;
        frame.0.extend_from_slice(&options).ok()?;
        frame.0.extend_from_slice(message).ok()?;
        let start = PAYLOAD + options.len();
        fill_checksum(&mut frame.0, ICMPV6, start, start + 2);
        Some(frame)
    }

    /// Returns a frame with a UDP datagram; `None` if it is too long.
    pub(crate) fn udp(endpoints: &Endpoints, ports: (u16, u16), data: &[u8]) -> Option<Self> {
        let length = u16::try_from(data.len() + 8).ok()?;
        let mut frame = Self::with_headers(endpoints, UDP, 64, length.into())?;
        for word in [ports.0, ports.1, length, 0] {
            frame.0.extend_from_slice(&word.to_be_bytes()).ok()?;
        }
        frame.0.extend_from_slice(data).ok()?;
        fill_checksum(&mut frame.0, UDP, PAYLOAD, PAYLOAD + 6);
        Some(frame)
    }

    fn with_headers(endpoints: &Endpoints, next_header: u8, hop_limit: u8, length: usize) -> Option<Self> {
        let mut frame = heapless::Vec::new();
        frame.resize(PAYLOAD, 0).ok()?;
        write_headers(&mut frame, endpoints, next_header, hop_limit, length);
        Some(Self(frame))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Writes the Ethernet and the IPv6 header of a frame with `length` bytes behind them.
pub(crate) fn write_headers(frame: &mut [u8], ends: &Endpoints, next_header: u8, hop_limit: u8, length: usize) {
    let Some(headers) = frame.first_chunk_mut::<PAYLOAD>() else { return };
    headers[..6].copy_from_slice(&ends.destination_mac);
    headers[6..12].copy_from_slice(&ends.source_mac);
    headers[12..14].copy_from_slice(&ETHERTYPE_IPV6);
    headers[14..18].copy_from_slice(&[0x60, 0, 0, 0]);
    headers[18..20].copy_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
    headers[20] = next_header;
    headers[21] = hop_limit;
    headers[22..38].copy_from_slice(&ends.source.octets());
    headers[38..54].copy_from_slice(&ends.destination.octets());
}

/// Returns the sum over the pseudo header and the upper-layer packet that begins at `start` (RFC 8200, 8.1).
fn sum(frame: &[u8], protocol: u8, start: usize) -> Sum {
    // Two bytes of the length are enough: the packet has no more.
    let length = u16::try_from(frame.len().saturating_sub(start)).unwrap_or_default();
    Sum::default()
        .add(frame.get(ETHERNET_HEADER + 8..PAYLOAD).unwrap_or_default())
        .add_u16(protocol.into())
        .add_u16(length)
        .add(frame.get(start..).unwrap_or_default())
}

/// Returns whether the checksum of the upper-layer packet that begins at `start`, and ends with the frame, is right.
pub(crate) fn is_checksum_valid(frame: &[u8], protocol: u8, start: usize) -> bool {
    sum(frame, protocol, start).checksum() == [0; 2]
}

/// Computes the checksum of the upper-layer packet that begins at `start` and ends with the frame, into `field`.
pub(crate) fn fill_checksum(frame: &mut [u8], protocol: u8, start: usize, field: usize) {
    let Some(bytes) = frame.get_mut(field..field + 2) else { return };
    bytes.fill(0);
    let checksum = match (sum(frame, protocol, start).checksum(), protocol) {
        // In a UDP datagram, zero is none.
        ([0, 0], UDP) => [0xff; 2],
        (checksum, _) => checksum,
    };
    frame[field..field + 2].copy_from_slice(&checksum);
}

/// Returns the address at an offset of a message; `None` behind its end.
pub(crate) fn address_at(bytes: &[u8], offset: usize) -> Option<Ipv6Addr> {
    Some(Ipv6Addr::from(*bytes.get(offset..)?.first_chunk::<16>()?))
}

/// Returns the two bytes at an offset as a number; `None` behind the end.
pub(crate) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(offset..)?.first_chunk::<2>()?))
}

/// Returns the four bytes at an offset as a number; `None` behind the end.
pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(offset..)?.first_chunk::<4>()?))
}

#[cfg(test)]
mod tests {
    use smoltcp::wire::{Icmpv6Packet, Icmpv6Repr, Ipv6Packet, NdiscRepr};

    use super::*;

    #[test]
    fn a_message_is_read_by_smoltcp_as_it_was_written() {
        let endpoints = Endpoints {
            source_mac: [2, 0, 0, 0, 0, 1],
            destination_mac: [0x33, 0x33, 0, 0, 0, 2],
            source: "fe80::1".parse().expect("an address"),
            destination: "ff02::2".parse().expect("an address"),
        };
        let message = [133, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 0, 0, 0, 0, 1];
        let frame = ControlFrame::icmpv6(&endpoints, 255, &message).expect("it fits");
        let packet = Ipv6Packet::new_checked(&frame.as_bytes()[14..]).expect("a packet");
        assert_eq!((packet.hop_limit(), packet.payload().len()), (255, 16));
        let icmp = Icmpv6Packet::new_checked(packet.payload()).expect("a message");
        let all = smoltcp::phy::ChecksumCapabilities::default();
        let parsed = Icmpv6Repr::parse(&packet.src_addr(), &packet.dst_addr(), &icmp, &all);
        assert!(matches!(parsed, Ok(Icmpv6Repr::Ndisc(NdiscRepr::RouterSolicit { lladdr: Some(_) }))));
        assert!(is_checksum_valid(frame.as_bytes(), ICMPV6, PAYLOAD));
    }

    #[test]
    fn a_message_longer_than_a_control_frame_is_none() {
        let none = Ipv6Addr::UNSPECIFIED;
        let endpoints = Endpoints { source_mac: [0; 6], destination_mac: [0; 6], source: none, destination: none };
        assert_eq!(ControlFrame::icmpv6(&endpoints, 255, &[0; 500]), None);
        assert_eq!(ControlFrame::udp(&endpoints, (546, 547), &[0; 500]), None);
    }
}
