//! Packets made byte by byte, so that a test can send any.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use etherparse::{IpNumber, Ipv4Header, Ipv6FlowLabel, Ipv6Header, TcpHeader, TcpOptions, UdpHeader};

/// An Ethernet address.
pub type Mac = [u8; 6];

/// The Ethernet address of all hosts.
pub const BROADCAST: Mac = [0xff; 6];

/// Flag bits of a TCP segment (RFC 9293, 3.1).
pub const FIN: u8 = 1;
/// Synchronizes sequence numbers.
pub const SYN: u8 = 2;
/// Resets the connection.
pub const RST: u8 = 4;
/// Pushes the data to the application.
pub const PSH: u8 = 8;
/// The acknowledgement number is valid.
pub const ACK: u8 = 16;

/// EtherType of IPv4.
pub const IPV4: u16 = 0x0800;
/// EtherType of ARP.
pub const ARP: u16 = 0x0806;
/// EtherType of IPv6.
pub const IPV6: u16 = 0x86dd;

/// Returns an Ethernet frame, padded to the least length.
#[must_use]
pub fn ethernet(destination: Mac, source: Mac, ether_type: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = [&destination[..], &source, &ether_type.to_be_bytes(), payload].concat();
    frame.resize(frame.len().max(60), 0);
    frame
}

/// Returns an ARP message (RFC 826): operation 1 is a request, 2 a reply.
#[must_use]
pub fn arp(operation: u16, sender: (Mac, Ipv4Addr), target: (Mac, Ipv4Addr)) -> Vec<u8> {
    let head = [0, 1, 8, 0, 6, 4];
    let addresses = [&sender.0[..], &sender.1.octets(), &target.0, &target.1.octets()].concat();
    [&head[..], &operation.to_be_bytes(), &addresses].concat()
}

/// Returns the Internet checksum (RFC 1071).
#[must_use]
pub fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| u64::from(pair[0]) << 8 | pair.get(1).map_or(0, |&low| u64::from(low)));
    let mut sum: u64 = words.sum();
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !u16::try_from(sum).expect("folded to 16 bits")
}

/// Returns an IP packet of either version; the two addresses are of one.
///
/// # Panics
/// Panics for addresses of different versions, or a body that is too long.
#[must_use]
pub fn ip(source: IpAddr, destination: IpAddr, protocol: IpNumber, body: &[u8]) -> Vec<u8> {
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => ipv4(source, destination, protocol, body, |_| {}),
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let header = Ipv6Header {
                traffic_class: 0,
                flow_label: Ipv6FlowLabel::ZERO,
                payload_length: u16::try_from(body.len()).expect("a packet of IPv6"),
                next_header: protocol,
                hop_limit: 255,
                source: source.octets(),
                destination: destination.octets(),
            };
            [&header.to_bytes()[..], body].concat()
        }
        _ => panic!("{source} and {destination} are of different versions"),
    }
}

/// Returns an IPv4 packet whose header `change` may alter before its checksum is made.
///
/// # Panics
/// Panics for a body that is too long.
#[must_use]
pub fn ipv4(
    source: Ipv4Addr,
    destination: Ipv4Addr,
    protocol: IpNumber,
    body: &[u8],
    change: impl FnOnce(&mut Ipv4Header),
) -> Vec<u8> {
    let length = u16::try_from(body.len()).expect("a packet of IPv4");
    let mut header =
        Ipv4Header::new(length, 64, protocol, source.octets(), destination.octets()).expect("a packet of IPv4");
    change(&mut header);
    header.header_checksum = header.calc_header_checksum();
    [&header.to_bytes()[..], body].concat()
}

/// Splits the body of an IPv4 packet into fragments of at most `size` bytes, a multiple of 8 (RFC 791, 3.2).
///
/// # Panics
/// Panics for a `size` that is not a multiple of 8.
#[must_use]
pub fn fragments(
    addresses: (Ipv4Addr, Ipv4Addr),
    protocol: IpNumber,
    identification: u16,
    body: &[u8],
    size: usize,
) -> Vec<Vec<u8>> {
    assert!(size.is_multiple_of(8), "fragments are measured in units of 8 bytes");
    let count = body.len().div_ceil(size);
    let fragment = |(index, piece): (usize, &[u8])| {
        let offset = u16::try_from(index * size / 8).expect("within a packet");
        ipv4(addresses.0, addresses.1, protocol, piece, |header| {
            header.dont_fragment = false;
            header.identification = identification;
            header.more_fragments = index + 1 < count;
            header.fragment_offset = offset.try_into().expect("within a packet");
        })
    };
    body.chunks(size).enumerate().map(fragment).collect()
}

/// A TCP segment without its ports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Segment {
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Bits of [`FIN`], [`SYN`], [`RST`], [`PSH`] and [`ACK`].
    pub flags: u8,
    /// Window, unscaled.
    pub window: u16,
    /// Options; their length is a multiple of 4.
    pub options: Vec<u8>,
    /// Data.
    pub data: Vec<u8>,
}

impl Segment {
    /// Returns whether all these flags are set.
    #[must_use]
    pub fn has(&self, flags: u8) -> bool {
        self.flags & flags == flags
    }
}

/// Returns an IP packet with a TCP segment.
///
/// # Panics
/// Panics for options that do not fit.
#[must_use]
pub fn tcp(from: SocketAddr, to: SocketAddr, segment: &Segment) -> Vec<u8> {
    let mut header = TcpHeader::new(from.port(), to.port(), segment.seq, segment.window);
    header.acknowledgment_number = segment.ack;
    header.fin = segment.has(FIN);
    header.syn = segment.has(SYN);
    header.rst = segment.has(RST);
    header.psh = segment.has(PSH);
    header.ack = segment.has(ACK);
    header.options = TcpOptions::try_from_slice(&segment.options).expect("at most 40 bytes of options");
    header.checksum = match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            header.calc_checksum_ipv4_raw(from.octets(), to.octets(), &segment.data).expect("a short segment")
        }
        (from, to) => {
            header.calc_checksum_ipv6_raw(v6(from).octets(), v6(to).octets(), &segment.data).expect("a short segment")
        }
    };
    ip(from.ip(), to.ip(), IpNumber::TCP, &[&header.to_bytes()[..], &segment.data].concat())
}

/// Returns a UDP datagram with its header, as the body of an IP packet.
///
/// # Panics
/// Panics for data that is too long.
#[must_use]
pub fn udp_body(from: SocketAddr, to: SocketAddr, data: &[u8]) -> Vec<u8> {
    let header = match (from.ip(), to.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let header = Ipv4Header::new(0, 64, IpNumber::UDP, source.octets(), destination.octets());
            UdpHeader::with_ipv4_checksum(from.port(), to.port(), &header.expect("a header"), data)
        }
        (source, destination) => {
            let header = Ipv6Header {
                source: v6(source).octets(),
                destination: v6(destination).octets(),
                ..Ipv6Header::default()
            };
            UdpHeader::with_ipv6_checksum(from.port(), to.port(), &header, data)
        }
    };
    [&header.expect("a short datagram").to_bytes()[..], data].concat()
}

/// Returns an IP packet with a UDP datagram.
#[must_use]
pub fn udp(from: SocketAddr, to: SocketAddr, data: &[u8]) -> Vec<u8> {
    ip(from.ip(), to.ip(), IpNumber::UDP, &udp_body(from, to, data))
}

/// Returns an ICMP message (RFC 792) as the body of an IPv4 packet: type, code, the four bytes after the checksum, data.
#[must_use]
pub fn icmp_body(kind: u8, code: u8, rest: [u8; 4], data: &[u8]) -> Vec<u8> {
    let mut message = [&[kind, code, 0, 0], &rest[..], data].concat();
    let sum = checksum(&message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}

/// Returns an `ICMPv6` message (RFC 4443) in its packet.
///
/// # Panics
/// Panics for data that is too long.
#[must_use]
pub fn icmpv6(source: Ipv6Addr, destination: Ipv6Addr, kind: u8, code: u8, rest: [u8; 4], data: &[u8]) -> Vec<u8> {
    let mut message = [&[kind, code, 0, 0], &rest[..], data].concat();
    let length = u32::try_from(message.len()).expect("a packet of IPv6").to_be_bytes();
    let pseudo = [&source.octets()[..], &destination.octets(), &length, &[0, 0, 0, 58]].concat();
    let sum = checksum(&[&pseudo[..], &message].concat());
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    ip(source.into(), destination.into(), IpNumber::IPV6_ICMP, &message)
}

fn v6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V6(address) => address,
        IpAddr::V4(address) => panic!("{address} is not IPv6"),
    }
}
