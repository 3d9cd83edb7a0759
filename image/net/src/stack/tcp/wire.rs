//! TCP segments in IP packets as the wrapper reads and writes them (RFC 9293, 3.1).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::checksum::Sum;
use crate::flow::{ConnectionKey, ConnectionKey6, Flow};

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

/// A received segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Incoming<'a> {
    pub(super) endpoints: Endpoints,
    pub(super) sequence: u32,
    pub(super) acknowledgement: u32,
    pub(super) flags: u8,
    pub(super) window: u16,
    options: &'a [u8],
    pub(super) payload_bytes: u32,
}

impl<'a> Incoming<'a> {
    /// Parses an IP packet; `None` for another protocol, a fragment or a malformed one. Checksums are verified elsewhere.
    pub(super) fn parse(packet: &'a [u8]) -> Option<Self> {
        let (local, remote, segment) = match packet.first()? >> 4 {
            4 => parse_ipv4(packet)?,
            6 => parse_ipv6(packet)?,
            _ => return None,
        };
        let header = segment.first_chunk::<TCP_HEADER>()?;
        let header_bytes = usize::from(header[12] >> 4) * 4;
        let options = segment.get(TCP_HEADER..header_bytes)?;
        let endpoints =
            Endpoints { local, remote, local_port: be_u16(&header[2..]), remote_port: be_u16(&header[0..]) };
        Some(Self {
            endpoints,
            sequence: be_u32(&header[4..]),
            acknowledgement: be_u32(&header[8..]),
            flags: header[13],
            window: be_u16(&header[14..]),
            options,
            payload_bytes: u32::try_from(segment.len() - header_bytes).ok()?,
        })
    }

    pub(super) const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Returns the sequence numbers that the segment occupies (SEG.LEN).
    pub(super) fn sequence_length(&self) -> u32 {
        self.payload_bytes + u32::from(self.has(SYN)) + u32::from(self.has(FIN))
    }

    /// Returns the options of a SYN. What is malformed is ignored, and all behind it.
    pub(super) fn syn_options(&self) -> SynOptions {
        let (mut found, mut rest) = (SynOptions::default(), self.options);
        loop {
            let (kind, length) = match *rest {
                [] | [0, ..] => return found,
                [1, ref after @ ..] => {
                    rest = after;
                    continue;
                }
                [kind, length, ..] if length >= 2 && usize::from(length) <= rest.len() => (kind, usize::from(length)),
                _ => return found,
            };
            let (option, after) = rest.split_at(length);
            match (kind, option) {
                // Zero is treated as absent, as by Linux.
                (2, [_, _, high, low]) if *high != 0 || *low != 0 => {
                    found.max_segment_bytes = Some(u16::from_be_bytes([*high, *low]));
                }
                (3, [_, _, scale]) => found.window_scale = Some((*scale).min(14)),
                (4, [_, _]) => found.permits_sack = true,
                _ => {}
            }
            rest = after;
        }
    }
}

/// Returns both addresses, local first, and the segment.
fn parse_ipv4(packet: &[u8]) -> Option<(IpAddr, IpAddr, &[u8])> {
    let header = packet.first_chunk::<IPV4_HEADER>()?;
    let is_fragment = be_u16(&header[6..]) & 0x3fff != 0;
    if header[9] != PROTOCOL_TCP || is_fragment {
        return None;
    }
    let address = |at: usize| IpAddr::V4(Ipv4Addr::new(header[at], header[at + 1], header[at + 2], header[at + 3]));
    let start = usize::from(header[0] & 0xf) * 4;
    let end = usize::from(be_u16(&header[2..]));
    let segment = packet.get(start.max(IPV4_HEADER)..end)?;
    Some((address(16), address(12), segment))
}

fn parse_ipv6(packet: &[u8]) -> Option<(IpAddr, IpAddr, &[u8])> {
    let (header, rest) = packet.split_first_chunk::<IPV6_HEADER>()?;
    if header[6] != PROTOCOL_TCP {
        return None;
    }
    let address = |at: usize| {
        let bytes: [u8; 16] = header[at..at + 16].try_into().ok()?;
        Some(IpAddr::V6(Ipv6Addr::from(bytes)))
    };
    let segment = rest.get(..usize::from(be_u16(&header[4..])))?;
    Some((address(24)?, address(8)?, segment))
}

/// A segment without data that the wrapper sends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::stack) struct Control {
    pub(in crate::stack) endpoints: Endpoints,
    pub(super) sequence: u32,
    pub(super) acknowledgement: u32,
    pub(super) flags: u8,
    pub(super) window: u16,
    pub(super) options: SynOptions,
}

impl Control {
    fn option_bytes(&self) -> usize {
        let options = &self.options;
        let bytes = usize::from(options.max_segment_bytes.is_some()) * 4
            + usize::from(options.window_scale.is_some()) * 4
            + usize::from(options.permits_sack) * 4;
        if self.flags & SYN == 0 { 0 } else { bytes }
    }

    /// Returns the length of the packet.
    pub(in crate::stack) fn packet_bytes(&self) -> usize {
        let ip = if self.endpoints.remote.is_ipv4() { IPV4_HEADER } else { IPV6_HEADER };
        ip + TCP_HEADER + self.option_bytes()
    }

    /// Writes the packet with all its checksums. `packet` has [`packet_bytes`](Self::packet_bytes).
    pub(in crate::stack) fn write(&self, packet: &mut [u8]) {
        self.write_from_to(
            packet,
            self.endpoints.local,
            self.endpoints.remote,
            [self.endpoints.local_port, self.endpoints.remote_port],
        );
    }

    /// Writes the packet as one that the remote side sends. What the packet has behind the headers is its data.
    pub(super) fn write_as_received(&self, packet: &mut [u8]) {
        self.write_from_to(
            packet,
            self.endpoints.remote,
            self.endpoints.local,
            [self.endpoints.remote_port, self.endpoints.local_port],
        );
    }

    fn write_from_to(&self, packet: &mut [u8], source: IpAddr, destination: IpAddr, ports: [u16; 2]) {
        let headers = self.packet_bytes();
        packet[..headers].fill(0);
        let segment_bytes = TCP_HEADER + self.option_bytes();
        let length = u16::try_from(segment_bytes + packet.len() - headers).unwrap_or_default();
        let pseudo = Sum::default().add_u16(PROTOCOL_TCP.into()).add_u16(length);
        let (sum, segment) = match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let (header, segment) = packet.split_at_mut(IPV4_HEADER);
                header[0] = 0x45;
                header[2..4].copy_from_slice(&(length + 20).to_be_bytes());
                // Do not fragment: it is short (RFC 791, 3.1).
                header[6] = 0x40;
                header[8..10].copy_from_slice(&[64, PROTOCOL_TCP]);
                header[12..16].copy_from_slice(&source.octets());
                header[16..20].copy_from_slice(&destination.octets());
                let checksum = Sum::default().add(header).checksum();
                header[10..12].copy_from_slice(&checksum);
                (pseudo.add(&header[12..20]), segment)
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let (header, segment) = packet.split_at_mut(IPV6_HEADER);
                header[0] = 0x60;
                header[4..6].copy_from_slice(&length.to_be_bytes());
                header[6..8].copy_from_slice(&[PROTOCOL_TCP, 64]);
                header[8..24].copy_from_slice(&source.octets());
                header[24..40].copy_from_slice(&destination.octets());
                (pseudo.add(&header[8..40]), segment)
            }
            _ => return,
        };
        self.write_segment(segment, ports, segment_bytes);
        let checksum = sum.add(segment).checksum();
        segment[16..18].copy_from_slice(&checksum);
    }

    fn write_segment(&self, segment: &mut [u8], [source, destination]: [u16; 2], segment_bytes: usize) {
        segment[0..2].copy_from_slice(&source.to_be_bytes());
        segment[2..4].copy_from_slice(&destination.to_be_bytes());
        segment[4..8].copy_from_slice(&self.sequence.to_be_bytes());
        segment[8..12].copy_from_slice(&self.acknowledgement.to_be_bytes());
        segment[12] = u8::try_from(segment_bytes / 4).unwrap_or_default() << 4;
        segment[13] = self.flags;
        segment[14..16].copy_from_slice(&self.window.to_be_bytes());
        if self.flags & SYN == 0 {
            return;
        }
        let mut at = TCP_HEADER;
        let mut push = |bytes: [u8; 4]| {
            segment[at..at + 4].copy_from_slice(&bytes);
            at += 4;
        };
        if let Some(bytes) = self.options.max_segment_bytes {
            let [high, low] = bytes.to_be_bytes();
            push([2, 4, high, low]);
        }
        if let Some(scale) = self.options.window_scale {
            push([3, 3, scale, 1]);
        }
        if self.options.permits_sack {
            push([4, 2, 1, 1]);
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints(local: &str, remote: &str) -> Endpoints {
        let parse = |text: &str| text.parse().expect("an address");
        Endpoints { local: parse(local), remote: parse(remote), local_port: 80, remote_port: 0x1234 }
    }

    fn syn(endpoints: Endpoints, options: SynOptions) -> Control {
        let flags = SYN | ACK;
        Control { endpoints, sequence: 0xfedc_ba98, acknowledgement: 7, flags, window: 0x4321, options }
    }

    #[test]
    fn what_is_written_is_parsed_again() {
        for (local, remote) in [("10.0.0.1", "10.0.0.2"), ("fe80::1", "fe80::2")] {
            for bits in 0..8 {
                let options = SynOptions {
                    max_segment_bytes: (bits & 1 != 0).then_some(1460),
                    window_scale: (bits & 2 != 0).then_some(7),
                    permits_sack: bits & 4 != 0,
                };
                let control = syn(endpoints(local, remote), options);
                let mut buffer = [0xee; MAX_CONTROL_BYTES];
                let packet = &mut buffer[..control.packet_bytes()];
                control.write_as_received(packet);
                let incoming = Incoming::parse(packet).expect("a segment");
                assert_eq!(incoming.endpoints, control.endpoints);
                assert_eq!((incoming.sequence, incoming.acknowledgement), (0xfedc_ba98, 7));
                assert_eq!((incoming.flags, incoming.window), (SYN | ACK, 0x4321));
                assert_eq!((incoming.sequence_length(), incoming.syn_options()), (1, options));
            }
        }
    }

    #[test]
    fn malformed_options_and_packets_are_harmless() {
        let control = syn(
            endpoints("10.0.0.1", "10.0.0.2"),
            SynOptions { max_segment_bytes: Some(1), window_scale: Some(1), permits_sack: true },
        );
        let mut packet = [0; MAX_CONTROL_BYTES];
        let packet = &mut packet[..control.packet_bytes()];
        control.write(packet);
        for at in 0..packet.len() {
            assert!(Incoming::parse(&packet[..at]).is_none());
            for byte in 0..=255 {
                let mut bent = packet.to_vec();
                bent[at] = byte;
                let _ = Incoming::parse(&bent).map(|incoming| incoming.syn_options());
            }
        }
    }

    #[test]
    fn sequence_numbers_wrap_around() {
        assert!(is_before(u32::MAX, 0) && is_before(0, 1) && !is_before(1, 0) && !is_before(5, 5));
    }
}
