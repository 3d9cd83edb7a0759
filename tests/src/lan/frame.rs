//! A frame that the guest sent, parsed.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Instant;

use etherparse::{NetHeaders, PacketHeaders, TransportHeader};

use super::packet::{ACK, FIN, Mac, PSH, RST, SYN, Segment};

/// A frame from the guest.
#[derive(Debug, Clone)]
pub struct Frame {
    /// When it arrived.
    pub at: Instant,
    /// Its destination.
    pub destination: Mac,
    /// Its source.
    pub source: Mac,
    /// All of it.
    pub bytes: Vec<u8>,
    /// Facts of its IP header, if it has one.
    pub ip: Option<IpFacts>,
    /// What it carries.
    pub content: Content,
}

/// Facts of an IP header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IpFacts {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// Bytes of the whole packet.
    pub length: usize,
    /// Whether it must not be fragmented; always for IPv6.
    pub dont_fragment: bool,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// Protocol number.
    pub protocol: u8,
}

/// What a frame carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// An ARP message.
    Arp(ArpMessage),
    /// A TCP segment.
    Tcp {
        /// Its sender.
        from: SocketAddr,
        /// Its receiver.
        to: SocketAddr,
        /// The segment.
        segment: Segment,
    },
    /// A UDP datagram.
    Udp {
        /// Its sender.
        from: SocketAddr,
        /// Its receiver.
        to: SocketAddr,
        /// Its data.
        data: Vec<u8>,
    },
    /// An ICMP message of either version.
    Icmp {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
        /// All after the checksum.
        rest: Vec<u8>,
    },
    /// A fragment of an IPv4 packet.
    Fragment {
        /// Identification.
        identification: u16,
        /// Bytes before it.
        offset: usize,
        /// Whether more follow.
        more: bool,
        /// Its part of the body.
        data: Vec<u8>,
    },
    /// Anything else.
    Other,
}

/// An ARP message for IPv4 on Ethernet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArpMessage {
    /// 1 for a request, 2 for a reply.
    pub operation: u16,
    /// Ethernet address of the sender.
    pub sender_mac: Mac,
    /// IPv4 address of the sender; 0.0.0.0 in a probe (RFC 5227, 1.1).
    pub sender: Ipv4Addr,
    /// IPv4 address of the target.
    pub target: Ipv4Addr,
}

impl Frame {
    /// Parses a frame of at least 14 bytes.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (destination, source) = (bytes.get(..6)?.try_into().ok()?, bytes.get(6..12)?.try_into().ok()?);
        let parsed = PacketHeaders::from_ethernet_slice(bytes).ok();
        let (ip, content) = parsed.map_or((None, Content::Other), |headers| contents(&headers));
        Some(Self { at: Instant::now(), destination, source, bytes: bytes.to_vec(), ip, content })
    }

    /// Returns the ARP message, if it is one.
    #[must_use]
    pub fn arp(&self) -> Option<ArpMessage> {
        if let Content::Arp(message) = self.content { Some(message) } else { None }
    }

    /// Returns the TCP segment with its receiver, if it is one.
    #[must_use]
    pub fn tcp(&self) -> Option<(SocketAddr, &Segment)> {
        if let Content::Tcp { to, segment, .. } = &self.content { Some((*to, segment)) } else { None }
    }

    /// Returns sender, receiver and data of the UDP datagram, if it is one.
    #[must_use]
    pub fn udp(&self) -> Option<(SocketAddr, SocketAddr, &[u8])> {
        if let Content::Udp { from, to, data } = &self.content { Some((*from, *to, data)) } else { None }
    }

    /// Returns type, code and the rest of the ICMP message, if it is one.
    #[must_use]
    pub fn icmp(&self) -> Option<(u8, u8, &[u8])> {
        if let Content::Icmp { kind, code, rest } = &self.content { Some((*kind, *code, rest)) } else { None }
    }
}

fn contents(headers: &PacketHeaders<'_>) -> (Option<IpFacts>, Content) {
    let body = headers.payload.slice();
    let facts = match &headers.net {
        Some(NetHeaders::Ipv4(header, _)) => IpFacts {
            source: IpAddr::from(header.source),
            destination: IpAddr::from(header.destination),
            length: usize::from(header.total_len),
            dont_fragment: header.dont_fragment,
            ttl: header.time_to_live,
            protocol: header.protocol.0,
        },
        Some(NetHeaders::Ipv6(header, _)) => IpFacts {
            source: IpAddr::from(header.source),
            destination: IpAddr::from(header.destination),
            length: usize::from(header.payload_length) + 40,
            dont_fragment: true,
            ttl: header.hop_limit,
            protocol: header.next_header.0,
        },
        Some(NetHeaders::Arp(message)) => {
            let content = message.try_eth_ipv4().map_or(Content::Other, |message| {
                Content::Arp(ArpMessage {
                    operation: message.operation.0,
                    sender_mac: message.sender_mac,
                    sender: message.sender_ipv4.into(),
                    target: message.target_ipv4.into(),
                })
            });
            return (None, content);
        }
        None => return (None, Content::Other),
    };
    if let Some(NetHeaders::Ipv4(header, _)) = &headers.net
        && header.is_fragmenting_payload()
    {
        let (identification, more) = (header.identification, header.more_fragments);
        let offset = usize::from(header.fragment_offset.value()) * 8;
        return (Some(facts), Content::Fragment { identification, offset, more, data: body.to_vec() });
    }
    let ends = |from, to| (SocketAddr::new(facts.source, from), SocketAddr::new(facts.destination, to));
    let content = match &headers.transport {
        Some(TransportHeader::Tcp(header)) => {
            let (from, to) = ends(header.source_port, header.destination_port);
            let bits = [(header.fin, FIN), (header.syn, SYN), (header.rst, RST), (header.psh, PSH), (header.ack, ACK)];
            let segment = Segment {
                seq: header.sequence_number,
                ack: header.acknowledgment_number,
                flags: bits.iter().filter(|(is_set, _)| *is_set).fold(0, |flags, (_, bit)| flags | bit),
                window: header.window_size,
                options: header.options.as_slice().to_vec(),
                data: body.to_vec(),
            };
            Content::Tcp { from, to, segment }
        }
        Some(TransportHeader::Udp(header)) => {
            let (from, to) = ends(header.source_port, header.destination_port);
            Content::Udp { from, to, data: body.to_vec() }
        }
        Some(TransportHeader::Icmpv4(header)) => icmp(&header.to_bytes(), body),
        Some(TransportHeader::Icmpv6(header)) => icmp(&header.to_bytes(), body),
        _ => Content::Other,
    };
    (Some(facts), content)
}

fn icmp(header: &[u8], body: &[u8]) -> Content {
    Content::Icmp { kind: header[0], code: header[1], rest: [&header[4..], body].concat() }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.content {
            Content::Arp(ArpMessage { operation, sender, target, .. }) => {
                write!(f, "ARP {operation} {sender} {target}")
            }
            Content::Tcp { from, to, segment: Segment { seq, ack, flags, window, data, .. } } => {
                write!(f, "TCP {from} > {to} flags {flags:02x} seq {seq} ack {ack} window {window} +{}", data.len())
            }
            Content::Udp { from, to, data } => write!(f, "UDP {from} > {to} +{}", data.len()),
            Content::Icmp { kind, code, rest } => write!(f, "ICMP {kind}/{code} +{}", rest.len()),
            Content::Fragment { identification, offset, more, data } => {
                write!(f, "fragment of {identification}: {offset} +{}, more {more}", data.len())
            }
            Content::Other => write!(f, "{:02x?}", &self.bytes[12..self.bytes.len().min(40)]),
        }
    }
}
