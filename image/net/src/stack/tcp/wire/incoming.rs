//! Received segments.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Endpoints, FIN, IPV4_HEADER, IPV6_HEADER, PROTOCOL_TCP, SYN, SynOptions, TCP_HEADER, be_u16, be_u32};

/// A received segment.
#[derive(Debug, Clone, Copy)]
pub(in crate::stack::tcp) struct Incoming<'a> {
    pub(in crate::stack::tcp) endpoints: Endpoints,
    pub(in crate::stack::tcp) sequence: u32,
    pub(in crate::stack::tcp) acknowledgement: u32,
    pub(in crate::stack::tcp) flags: u8,
    pub(in crate::stack::tcp) window: u16,
    options: &'a [u8],
    pub(in crate::stack::tcp) payload_bytes: u32,
}

impl<'a> Incoming<'a> {
    /// Parses an IP packet; `None` for another protocol, a fragment or a malformed one. Checksums are verified elsewhere.
    pub(in crate::stack::tcp) fn parse(packet: &'a [u8]) -> Option<Self> {
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

    pub(in crate::stack::tcp) const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Returns the sequence numbers that the segment occupies (SEG.LEN).
    pub(in crate::stack::tcp) fn sequence_length(&self) -> u32 {
        self.payload_bytes + u32::from(self.has(SYN)) + u32::from(self.has(FIN))
    }

    /// Returns the options of a SYN. What is malformed is ignored, and all behind it.
    pub(in crate::stack::tcp) fn syn_options(&self) -> SynOptions {
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
