//! Frames of a LAN, made by smoltcp: ARP, and IPv4 with ICMP and UDP.
//!
//! ```
//! use switchboard_net_testing::frames;
//!
//! let packet = frames::udp([10, 0, 0, 2], 4000, [10, 0, 0, 1], 7, b"hello");
//! let frame = frames::ipv4_frame([2, 0, 0, 0, 0, 2], [2, 0, 0, 0, 0, 1], &packet);
//! assert_eq!(frames::payload_of(&frame), Some((17, &frame[34..])));
//! ```

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, Icmpv4Packet,
    Icmpv4Repr, IpProtocol, Ipv4Packet, Ipv4Repr, UdpPacket, UdpRepr,
};

const ETHERNET_HEADER: usize = 14;
const IPV4_HEADER: usize = 20;
/// The Ethernet address of all stations.
pub const BROADCAST: [u8; 6] = [0xff; 6];

/// Returns a frame with a payload.
#[must_use]
pub fn frame(source: [u8; 6], destination: [u8; 6], ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; ETHERNET_HEADER + payload.len()];
    let header = EthernetRepr {
        src_addr: EthernetAddress(source),
        dst_addr: EthernetAddress(destination),
        ethertype: EthernetProtocol::from(ethertype),
    };
    header.emit(&mut EthernetFrame::new_unchecked(&mut frame));
    frame[ETHERNET_HEADER..].copy_from_slice(payload);
    frame
}

/// Returns a frame with an IPv4 packet.
#[must_use]
pub fn ipv4_frame(source: [u8; 6], destination: [u8; 6], packet: &[u8]) -> Vec<u8> {
    frame(source, destination, 0x0800, packet)
}

fn arp(
    operation: ArpOperation,
    (source_mac, source): ([u8; 6], [u8; 4]),
    (target_mac, target): ([u8; 6], [u8; 4]),
    destination: [u8; 6],
) -> Vec<u8> {
    let packet = ArpRepr::EthernetIpv4 {
        operation,
        source_hardware_addr: EthernetAddress(source_mac),
        source_protocol_addr: source.into(),
        target_hardware_addr: EthernetAddress(target_mac),
        target_protocol_addr: target.into(),
    };
    let mut payload = vec![0; packet.buffer_len()];
    packet.emit(&mut ArpPacket::new_unchecked(&mut payload));
    frame(source_mac, destination, 0x0806, &payload)
}

/// Returns the broadcast frame that asks for the Ethernet address of `target`. Sent from `target` itself, it is an
/// announcement; from 0.0.0.0, a probe (RFC 5227).
#[must_use]
pub fn arp_request(mac: [u8; 6], sender: [u8; 4], target: [u8; 4]) -> Vec<u8> {
    arp(ArpOperation::Request, (mac, sender), ([0; 6], target), BROADCAST)
}

/// Returns the frame by which `sender` answers a request of `target`.
#[must_use]
pub fn arp_reply(mac: [u8; 6], sender: [u8; 4], target_mac: [u8; 6], target: [u8; 4]) -> Vec<u8> {
    arp(ArpOperation::Reply, (mac, sender), (target_mac, target), target_mac)
}

/// Returns the operation (1 for a request), sender and target of an ARP frame.
#[must_use]
pub fn arp_of(frame: &[u8]) -> Option<(u16, [u8; 4], [u8; 4])> {
    let packet = frame.get(ETHERNET_HEADER..).filter(|_| frame[12..14] == [8, 6])?;
    let address = |from: usize| packet.get(from..)?.first_chunk::<4>().copied();
    Some((u16::from_be_bytes([*packet.get(6)?, *packet.get(7)?]), address(14)?, address(24)?))
}

/// Returns an IPv4 packet with a payload.
#[must_use]
pub fn ipv4(source: [u8; 4], destination: [u8; 4], protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0; IPV4_HEADER + payload.len()];
    let header = Ipv4Repr {
        src_addr: source.into(),
        dst_addr: destination.into(),
        next_header: IpProtocol::from(protocol),
        payload_len: payload.len(),
        hop_limit: 64,
    };
    header.emit(&mut Ipv4Packet::new_unchecked(&mut packet[..]), &ChecksumCapabilities::default());
    packet[IPV4_HEADER..].copy_from_slice(payload);
    packet
}

/// Returns an IPv4 packet with a UDP datagram.
#[must_use]
pub fn udp(source: [u8; 4], source_port: u16, destination: [u8; 4], port: u16, payload: &[u8]) -> Vec<u8> {
    let datagram = UdpRepr { src_port: source_port, dst_port: port };
    let mut bytes = vec![0; 8 + payload.len()];
    let mut packet = UdpPacket::new_unchecked(&mut bytes);
    // smoltcp does not build the invalid datagrams that a test may want.
    packet.set_src_port(datagram.src_port);
    packet.set_dst_port(datagram.dst_port);
    packet.set_len(u16::try_from(8 + payload.len()).expect("a datagram is shorter"));
    packet.payload_mut().copy_from_slice(payload);
    let (from, to) = (core::net::Ipv4Addr::from(source), core::net::Ipv4Addr::from(destination));
    packet.fill_checksum(&from.into(), &to.into());
    ipv4(source, destination, 17, &bytes)
}

/// Returns an IPv4 packet with an echo request.
#[must_use]
pub fn ping(source: [u8; 4], destination: [u8; 4], sequence: u16, data: &[u8]) -> Vec<u8> {
    let message = Icmpv4Repr::EchoRequest { ident: 7, seq_no: sequence, data };
    let mut bytes = vec![0; message.buffer_len()];
    message.emit(&mut Icmpv4Packet::new_unchecked(&mut bytes), &ChecksumCapabilities::default());
    ipv4(source, destination, 1, &bytes)
}

/// Returns an IPv4 packet with an ICMP message of 8 bytes, whose last two are `value`, and the packet that it is about.
#[must_use]
pub fn icmp_error(source: [u8; 4], destination: [u8; 4], kind: [u8; 2], value: u16, about: &[u8]) -> Vec<u8> {
    let mut bytes = [&kind[..], &[0; 4], &value.to_be_bytes(), about].concat();
    Icmpv4Packet::new_unchecked(&mut bytes).fill_checksum();
    ipv4(source, destination, 1, &bytes)
}

/// Returns the fragments of an IPv4 packet, of at most `mtu` bytes each.
#[must_use]
pub fn fragments(packet: &[u8], mtu: usize, identification: u16) -> Vec<Vec<u8>> {
    let step = (mtu - IPV4_HEADER) / 8 * 8;
    let payload = &packet[IPV4_HEADER..];
    let count = payload.len().div_ceil(step);
    let fragment = |(index, piece): (usize, &[u8])| {
        let mut fragment = [&packet[..IPV4_HEADER], piece].concat();
        let mut header = Ipv4Packet::new_unchecked(&mut fragment[..]);
        header.set_total_len(u16::try_from(IPV4_HEADER + piece.len()).expect("a fragment is shorter"));
        header.set_ident(identification);
        header.set_dont_frag(false);
        header.set_more_frags(index + 1 < count);
        header.set_frag_offset(u16::try_from(index * step).expect("a packet is shorter"));
        header.fill_checksum();
        fragment
    };
    payload.chunks(step).enumerate().map(fragment).collect()
}

/// Returns the protocol and the payload of the IPv4 packet in a frame, if its header is right.
#[must_use]
pub fn payload_of(frame: &[u8]) -> Option<(u8, &[u8])> {
    let packet = Ipv4Packet::new_checked(frame.get(ETHERNET_HEADER..).filter(|_| frame[12..14] == [8, 0])?).ok()?;
    packet.verify_checksum().then(|| (packet.next_header().into(), packet.payload()))
}
