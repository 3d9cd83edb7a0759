//! Fragmentation of IPv4 packets that are longer than a frame (RFC 791, 3.2).

use super::ipv4::{self, IPV4_HEADER};

/// Calls `send` with the length of each fragment of a packet, and a function that writes it. `packet` has a header without
/// options and gets this identification; `mtu` is at least 28.
pub(super) fn for_each(
    packet: &[u8],
    mtu: usize,
    identification: u16,
    mut send: impl FnMut(usize, &mut dyn FnMut(&mut [u8])),
) {
    let Some((header, payload)) = packet.split_first_chunk::<IPV4_HEADER>() else { return };
    // The offset is in units of eight bytes.
    let step = (mtu - IPV4_HEADER) & !7;
    let count = payload.len().div_ceil(step);
    for (index, piece) in payload.chunks(step).enumerate() {
        let length = IPV4_HEADER + piece.len();
        send(length, &mut |fragment| {
            let (head, body) = fragment.split_at_mut(IPV4_HEADER);
            head.copy_from_slice(header);
            body.copy_from_slice(piece);
            let has_more = if index + 1 < count { 0x2000 } else { 0 };
            let offset = u16::try_from(index * step / 8).unwrap_or(0x1fff);
            head[2..4].copy_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
            head[4..6].copy_from_slice(&identification.to_be_bytes());
            head[6..8].copy_from_slice(&(has_more | offset).to_be_bytes());
            head[10..12].fill(0);
            ipv4::fill_checksum(fragment);
        });
    }
}
