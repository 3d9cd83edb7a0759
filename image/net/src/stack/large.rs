//! Long TCP segments, which the card splits: smoltcp writes one where it would write many, and its headers, checksums and
//! frames are made once. What is received may be as long (TCP segmentation offload; generic receive offload).

use core::net::IpAddr;

use smoltcp::time::Duration;
use switchboard_drivers::interfaces::network::Segmentation;

use super::checksum;
use super::engine::Engine;
use super::socket_table::SocketId;
use super::tcp;
use crate::link::ethernet::ETHERNET_HEADER;
use crate::segment::Segment;

/// The headers of a segment at most: IPv6, and TCP with options.
const MAX_HEADERS: usize = 100;
/// Segments that are sent at once to a peer beyond the link. smoltcp's congestion window has at least one of what it takes as
/// a segment, so this is the least window too: the initial one of RFC 6928.
const ROUTED_SEGMENTS: u16 = 10;
/// smoltcp's delay of acknowledgements.
const ACKNOWLEDGEMENT_DELAY: Duration = Duration::from_millis(10);

impl Engine {
    /// Returns what smoltcp is to take as the maximum segment size of a peer, whose own is `max_segment_bytes`.
    pub(super) fn large_segment_bytes(&mut self, remote: IpAddr, max_segment_bytes: Option<u16>) -> Option<u16> {
        if self.max_large_packet == 0 {
            return max_segment_bytes;
        }
        let most = u16::try_from(self.max_large_packet - MAX_HEADERS).unwrap_or(u16::MAX);
        let routed = max_segment_bytes?.saturating_mul(ROUTED_SEGMENTS).min(most);
        Some(if self.link.is_neighbour(remote) { most } else { routed })
    }

    /// Has a segment acknowledged at once that is as long as a frame allows: smoltcp counts the segments of the peer by the size that
    /// it takes as maximum, and would wait for many.
    pub(super) fn set_acknowledgement_delay(&mut self, socket: SocketId, segment_bytes: usize) {
        let is_full = segment_bytes + MAX_HEADERS >= self.mtu;
        if let Some(socket) = self.sockets.entry(socket).and_then(|entry| entry.socket()) {
            socket.set_ack_delay(if is_full { None } else { Some(ACKNOWLEDGEMENT_DELAY) });
        }
    }
}

/// Completes a frame with a TCP segment for the card to split into packets of at most `max_bytes`: its checksum becomes the sum
/// of the pseudo header.
pub(super) fn prepare(frame: &mut [u8], max_bytes: usize) -> Segmentation {
    let packet = &mut frame[ETHERNET_HEADER..];
    checksum::fill(packet, false);
    let is_ipv6 = packet.first().is_some_and(|byte| byte >> 4 == 6);
    let headers = tcp::header_bytes(packet);
    let (mut start, mut offset) = (0, 0);
    if let Some(segment) = Segment::of_sent(packet) {
        let sum = checksum::pseudo_header(packet, &segment);
        packet[segment.checksum..segment.checksum + 2].copy_from_slice(&sum);
        (start, offset) = (segment.range.start, segment.checksum - segment.range.start);
    }
    let word = |value: usize| u16::try_from(value).unwrap_or(u16::MAX);
    Segmentation {
        is_ipv6,
        header_bytes: word(ETHERNET_HEADER + headers),
        checksum_start: word(ETHERNET_HEADER + start),
        checksum_offset: word(offset),
        segment_bytes: word(max_bytes.saturating_sub(headers).max(1)),
    }
}
