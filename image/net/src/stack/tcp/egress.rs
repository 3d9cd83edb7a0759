//! Segments that smoltcp sends: sequence numbers as on the wire, and splitting for paths that are shorter than the link.

use super::connection::Connection;
use super::wire::{FIN, PSH, SYN, is_before};
use crate::stack::checksum;

/// Returns the length of the IP header of a packet that this stack sends.
#[inline]
fn ip_header_bytes(packet: &[u8]) -> usize {
    if packet.first().is_some_and(|byte| byte >> 4 == 6) { 40 } else { 20 }
}

/// Returns the length of the headers of a TCP packet that this stack sends.
pub(in crate::stack) fn header_bytes(packet: &[u8]) -> usize {
    let ip = ip_header_bytes(packet);
    ip + packet.get(ip + 12).map_or(0, |byte| usize::from(byte >> 4) * 4)
}

/// Sets the hop limit of an IPv6 packet.
pub(in crate::stack) fn set_hop_limit(packet: &mut [u8], hop_limit: u8) {
    if let Some(byte) = packet.get_mut(7) {
        *byte = hop_limit;
    }
}

impl Connection {
    /// Translates the sequence number of a segment of the socket, whose checksum is not computed yet, sets the hop limit of an
    /// IPv6 packet, and keeps account of what was sent.
    #[inline]
    pub(in crate::stack) fn translate(&mut self, packet: &mut [u8], hop_limit: u8) {
        let start = ip_header_bytes(packet);
        if start == 40 {
            set_hop_limit(packet, hop_limit);
        }
        let total = packet.len();
        let Some(header) = packet.get_mut(start..).and_then(|bytes| bytes.first_chunk_mut::<20>()) else { return };
        let sequence = u32::from_be_bytes([header[4], header[5], header[6], header[7]]).wrapping_add(self.delta);
        header[4..8].copy_from_slice(&sequence.to_be_bytes());
        let payload = total - start - usize::from(header[12] >> 4) * 4;
        let flags = u32::from(header[13] & (SYN | FIN) != 0);
        let length = (payload as u64 & 0xffff) as u32 + flags;
        let end = sequence.wrapping_add(length);
        self.last_end = end;
        if length > 0 {
            if is_before(sequence, self.sent_end) {
                self.retransmissions += 1;
                self.recovery = Some(self.sent_end);
            }
            if is_before(self.sent_end, end) {
                self.sent_end = end;
            }
        }
    }
}

/// Splits a TCP packet of this stack into packets of at most `max_bytes`, and passes each to `send`. The packet is used up.
pub(in crate::stack) fn split(
    packet: &mut [u8],
    max_bytes: usize,
    software_checksums: bool,
    mut send: impl FnMut(&[u8]),
) {
    let ip = ip_header_bytes(packet);
    let Some(data_offset) = packet.get(ip + 12) else { return };
    let headers = ip + usize::from(data_offset >> 4) * 4;
    let payload = packet.len().saturating_sub(headers);
    let piece = max_bytes.saturating_sub(headers);
    if piece == 0 || payload <= piece {
        checksum::fill(packet, software_checksums);
        return send(packet);
    }
    let sequence = u32::from_be_bytes([packet[ip + 4], packet[ip + 5], packet[ip + 6], packet[ip + 7]]);
    let flags = packet[ip + 13];
    let mut offset = 0;
    while offset < payload {
        let length = piece.min(payload - offset);
        let is_last = offset + length == payload;
        // The headers move to where the piece begins: what they overwrite was sent.
        if offset > 0 {
            packet.copy_within(offset - piece..offset - piece + headers, offset);
        }
        let part = &mut packet[offset..offset + headers + length];
        let total = headers + length;
        match ip {
            20 => {
                part[2..4].copy_from_slice(&be_u16(total));
                part[10..12].fill(0);
            }
            _ => part[4..6].copy_from_slice(&be_u16(total - ip)),
        }
        let at = sequence.wrapping_add((offset as u64 & 0xffff) as u32);
        part[ip + 4..ip + 8].copy_from_slice(&at.to_be_bytes());
        part[ip + 13] = if is_last { flags } else { flags & !(FIN | PSH) };
        part[ip + 16..ip + 18].fill(0);
        checksum::fill(part, software_checksums);
        send(part);
        offset += length;
    }
}

fn be_u16(length: usize) -> [u8; 2] {
    u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::super::wire::{ACK, Control, Endpoints, Incoming, SynOptions};
    use super::*;

    /// Returns a packet with data, whose checksums are zero.
    fn packet(is_ipv6: bool, payload: &[u8]) -> Vec<u8> {
        let parse = |text: &str| text.parse().expect("an address");
        let (local, remote) = if is_ipv6 { ("fe80::1", "fe80::2") } else { ("10.0.0.1", "10.0.0.2") };
        let endpoints = Endpoints { local: parse(local), remote: parse(remote), local_port: 80, remote_port: 5 };
        let options = SynOptions::default();
        let flags = ACK | PSH | FIN;
        let control = Control { endpoints, sequence: 0xffff_fff0, acknowledgement: 7, flags, window: 9, options };
        let mut packet = alloc::vec![0; control.packet_bytes()];
        control.write(&mut packet);
        let ip = if is_ipv6 { 40 } else { 20 };
        packet.extend_from_slice(payload);
        let total = packet.len();
        match is_ipv6 {
            true => packet[4..6].copy_from_slice(&be_u16(total - 40)),
            false => packet[2..4].copy_from_slice(&be_u16(total)),
        }
        packet[ip + 16..ip + 18].fill(0);
        if !is_ipv6 {
            packet[10..12].fill(0);
        }
        packet
    }

    #[test]
    fn pieces_carry_all_the_data_in_order() {
        for is_ipv6 in [false, true] {
            for length in [1, 99, 100, 101, 200, 1460] {
                let payload: Vec<u8> = (0..length).map(|at: usize| at.to_le_bytes()[0] ^ 0x5a).collect();
                let headers = if is_ipv6 { 60 } else { 40 };
                let mut whole = packet(is_ipv6, &payload);
                let (mut data, mut next, mut ends) = (Vec::new(), 0xffff_fff0_u32, 0);
                split(&mut whole, headers + 100, true, |part| {
                    assert!(part.len() <= headers + 100);
                    let segment = Incoming::parse(part).expect("a segment");
                    assert_eq!(segment.sequence, next);
                    next = next.wrapping_add(segment.payload_bytes);
                    data.extend_from_slice(&part[headers..]);
                    ends += u32::from(segment.has(FIN));
                    assert_eq!(segment.has(FIN), data.len() == length);
                    let mut again = part.to_vec();
                    let ip = headers - 20;
                    again[ip + 16..ip + 18].fill(0);
                    if !is_ipv6 {
                        again[10..12].fill(0);
                    }
                    checksum::fill(&mut again, true);
                    assert_eq!(again, part, "checksums");
                });
                assert_eq!((data == payload, ends), (true, 1), "{length} bytes");
            }
        }
    }
}
