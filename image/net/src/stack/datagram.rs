//! UDP datagrams of the stack itself, which have no socket: DHCP and multicast DNS.

use core::net::SocketAddrV4;

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{IpProtocol, Ipv4Packet, Ipv4Repr, UdpPacket, UdpRepr};

use crate::link::ipv4::IPV4_HEADER;

const UDP_HEADER: usize = 8;
/// The longest payload.
pub(super) const MAX_PAYLOAD: usize = 1024;

/// Where a datagram is from and to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ends {
    pub(super) source: SocketAddrV4,
    pub(super) destination: SocketAddrV4,
}

/// Returns the payload of a received datagram and its source port; `None` for a malformed one.
pub(super) fn payload(packet: &[u8], header_length: usize) -> Option<(&[u8], u16)> {
    let datagram = UdpPacket::new_checked(packet.get(header_length..)?).ok()?;
    Some((datagram.payload(), datagram.src_port()))
}

/// Calls `send` with the IPv4 packet of a datagram. A payload that is longer than [`MAX_PAYLOAD`] is not sent.
pub(super) fn with_packet(ends: Ends, time_to_live: u8, payload: &[u8], send: impl FnOnce(&[u8])) {
    let Ends { source, destination } = ends;
    let mut packet = [0; IPV4_HEADER + UDP_HEADER + MAX_PAYLOAD];
    let length = IPV4_HEADER + UDP_HEADER + payload.len();
    let Some(packet) = packet.get_mut(..length) else { return };
    let checksums = ChecksumCapabilities::default();
    let ip = Ipv4Repr {
        src_addr: *source.ip(),
        dst_addr: *destination.ip(),
        next_header: IpProtocol::Udp,
        payload_len: UDP_HEADER + payload.len(),
        hop_limit: time_to_live,
    };
    ip.emit(&mut Ipv4Packet::new_unchecked(&mut packet[..]), &checksums);
    let udp = UdpRepr { src_port: source.port(), dst_port: destination.port() };
    udp.emit(
        &mut UdpPacket::new_unchecked(&mut packet[IPV4_HEADER..]),
        &(*source.ip()).into(),
        &(*destination.ip()).into(),
        payload.len(),
        |room| room.copy_from_slice(payload),
        &checksums,
    );
    send(packet);
}
