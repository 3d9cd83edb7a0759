//! Segments that the wrapper sends.

use core::net::IpAddr;

use super::{Endpoints, IPV4_HEADER, IPV6_HEADER, PROTOCOL_TCP, SYN, SynOptions, TCP_HEADER};
use crate::checksum::Sum;

/// A segment without data that the wrapper sends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::stack) struct Control {
    pub(in crate::stack) endpoints: Endpoints,
    pub(in crate::stack::tcp) sequence: u32,
    pub(in crate::stack::tcp) acknowledgement: u32,
    pub(in crate::stack::tcp) flags: u8,
    pub(in crate::stack::tcp) window: u16,
    pub(in crate::stack::tcp) options: SynOptions,
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
    pub(in crate::stack::tcp) fn write_as_received(&self, packet: &mut [u8]) {
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
