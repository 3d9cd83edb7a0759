//! Errors that routers and hosts report about packets of this host.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{ICMP_HEADER, PARAMETER_PROBLEM, TIME_EXCEEDED, UNREACHABLE};
use crate::link::ipv4::{IPV4_HEADER, PROTOCOL_TCP, PROTOCOL_UDP};

/// What an ICMP error reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IcmpErrorKind {
    /// No route to the network.
    #[error("network unreachable")]
    NetworkUnreachable,
    /// The host does not answer on its link.
    #[error("host unreachable")]
    HostUnreachable,
    /// The host does not have the protocol.
    #[error("protocol unreachable")]
    ProtocolUnreachable,
    /// Nothing receives on the port.
    #[error("port unreachable")]
    PortUnreachable,
    /// The packet is longer than a link on its path allows, and may not be fragmented (RFC 1191; RFC 8201).
    #[error("packet too big, the next link takes {mtu} bytes")]
    TooBig {
        /// The length that the link takes in bytes; 0 if the router does not report it.
        mtu: u16,
    },
    /// A filter refuses the packet.
    #[error("administratively prohibited")]
    Prohibited,
    /// The packet has passed as many routers as it may, or its fragments did not all arrive in time.
    #[error("time exceeded")]
    TimeExceeded,
    /// A field of the header is invalid.
    #[error("parameter problem")]
    ParameterProblem,
}

/// An error that was reported about a packet of this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct IcmpError {
    /// What is reported.
    pub kind: IcmpErrorKind,
    /// The router or host that reports it; for a neighbour that does not answer, this host.
    pub reporter: IpAddr,
    /// The IP protocol of the packet.
    pub protocol: u8,
    /// The address that the packet was sent from.
    pub local_address: IpAddr,
    /// The local port of the packet; the identifier of an echo request.
    pub local_port: u16,
    /// Where the packet was sent to. The port is 0 where the protocol has none.
    pub remote: SocketAddr,
    /// The sequence number of a TCP segment; the number of an echo request.
    pub sequence: u32,
    /// The length of the packet in bytes.
    pub packet_bytes: u16,
}

impl IcmpError {
    /// Parses an error message, whose checksum was verified, about a packet from `local`; `None` for other messages.
    pub(crate) fn parse(message: &[u8], reporter: Ipv4Addr, local: Ipv4Addr) -> Option<Self> {
        let (header, quoted) = message.split_first_chunk::<ICMP_HEADER>()?;
        let [kind, code, _, _, _, _, mtu @ ..] = *header;
        let kind = match (kind, code) {
            (UNREACHABLE, 0 | 6 | 8 | 11) => IcmpErrorKind::NetworkUnreachable,
            (UNREACHABLE, 1 | 5 | 7 | 12) => IcmpErrorKind::HostUnreachable,
            (UNREACHABLE, 2) => IcmpErrorKind::ProtocolUnreachable,
            (UNREACHABLE, 3) => IcmpErrorKind::PortUnreachable,
            (UNREACHABLE, 4) => IcmpErrorKind::TooBig { mtu: u16::from_be_bytes(mtu) },
            (UNREACHABLE, 9 | 10 | 13) => IcmpErrorKind::Prohibited,
            (TIME_EXCEEDED, 0 | 1) => IcmpErrorKind::TimeExceeded,
            (PARAMETER_PROBLEM, _) => IcmpErrorKind::ParameterProblem,
            _ => return None,
        };
        // The packet was sent from here, if the report is true.
        Self::about(quoted, kind, reporter).filter(|error| error.local_address == local)
    }

    /// Creates an error about a packet, of which at least the first eight bytes of the payload are there.
    pub(crate) fn about(packet: &[u8], kind: IcmpErrorKind, reporter: Ipv4Addr) -> Option<Self> {
        let ip = packet.first_chunk::<IPV4_HEADER>()?;
        let header_length = usize::from(ip[0] & 0xf) * 4;
        // Of another version, or a fragment that is not the first, whose ports are not there.
        if ip[0] >> 4 != 4 || header_length < IPV4_HEADER || u16::from_be_bytes([ip[6], ip[7]]) & 0x1fff != 0 {
            return None;
        }
        let addresses = [Ipv4Addr::new(ip[12], ip[13], ip[14], ip[15]), Ipv4Addr::new(ip[16], ip[17], ip[18], ip[19])];
        let flow = Flow::parse(ip[9], packet.get(header_length..)?)?;
        let packet_bytes = u16::from_be_bytes([ip[2], ip[3]]);
        Some(flow.error(kind, reporter.into(), addresses.map(IpAddr::from), packet_bytes))
    }

    /// Returns what a packet that this host could not send reports: its next hop does not answer, or there is no route.
    pub(crate) fn local(packet: &[u8], kind: IcmpErrorKind) -> Option<Self> {
        let error = match packet.first()? >> 4 {
            6 => crate::ipv6::error_about(packet, kind, Ipv6Addr::UNSPECIFIED),
            _ => Self::about(packet, kind, Ipv4Addr::UNSPECIFIED),
        };
        error.map(|error| Self { reporter: error.local_address, ..error })
    }
}

/// What the first bytes behind the IP headers have of a packet that an error is about.
pub(crate) struct Flow {
    protocol: u8,
    local_port: u16,
    remote_port: u16,
    sequence: u32,
}

impl Flow {
    /// Parses the first eight bytes, which each error quotes.
    pub(crate) fn parse(protocol: u8, payload: &[u8]) -> Option<Self> {
        let [a, b, c, d, e, f, g, h] = *payload.first_chunk::<8>()?;
        let (local_port, remote_port, sequence) = match protocol {
            PROTOCOL_TCP => (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]), u32::from_be_bytes([e, f, g, h])),
            PROTOCOL_UDP => (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]), 0),
            _ => (u16::from_be_bytes([e, f]), 0, u16::from_be_bytes([g, h]).into()),
        };
        Some(Self { protocol, local_port, remote_port, sequence })
    }

    /// Returns an error about a packet of this flow from the first address to the second.
    pub(crate) fn error(
        self,
        kind: IcmpErrorKind,
        reporter: IpAddr,
        [local_address, remote]: [IpAddr; 2],
        packet_bytes: u16,
    ) -> IcmpError {
        let Self { protocol, local_port, remote_port, sequence } = self;
        let remote = SocketAddr::new(remote, remote_port);
        IcmpError { kind, reporter, protocol, local_address, local_port, remote, sequence, packet_bytes }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::super::{PORT_UNREACHABLE, error_length, write_checksum, write_unreachable};
    use super::*;
    use crate::link::ipv4;

    const LOCAL: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const REMOTE: Ipv4Addr = Ipv4Addr::new(192, 168, 3, 4);
    const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 254);

    /// Returns a packet from here with a transport header of 20 bytes.
    fn packet(protocol: u8) -> Vec<u8> {
        let mut packet = [0; 40].to_vec();
        ipv4::write_header(&mut packet[..20], 20, protocol, LOCAL, REMOTE);
        packet[20..28].copy_from_slice(&[0x12, 0x34, 0, 80, 1, 2, 3, 4]);
        packet
    }

    fn message(kind: u8, code: u8, mtu: u16, about: &[u8]) -> Vec<u8> {
        let mut message = [&[kind, code, 0, 0, 0, 0][..], &mtu.to_be_bytes(), about].concat();
        write_checksum(&mut message);
        assert!(super::super::is_valid(&message));
        message
    }

    #[test]
    fn errors_name_the_packet_that_they_are_about() {
        let message = message(UNREACHABLE, 4, 1400, &packet(PROTOCOL_TCP));
        let error = IcmpError::parse(&message, ROUTER, LOCAL).expect("an error");
        assert_eq!((error.kind, error.reporter), (IcmpErrorKind::TooBig { mtu: 1400 }, ROUTER.into()));
        assert_eq!((error.local_port, error.remote, error.sequence), (0x1234, (REMOTE, 80).into(), 0x0102_0304));
        for (kind, code, expected) in [
            (UNREACHABLE, 0, Some(IcmpErrorKind::NetworkUnreachable)),
            (UNREACHABLE, 1, Some(IcmpErrorKind::HostUnreachable)),
            (UNREACHABLE, 3, Some(IcmpErrorKind::PortUnreachable)),
            (UNREACHABLE, 13, Some(IcmpErrorKind::Prohibited)),
            (TIME_EXCEEDED, 0, Some(IcmpErrorKind::TimeExceeded)),
            (PARAMETER_PROBLEM, 0, Some(IcmpErrorKind::ParameterProblem)),
            (UNREACHABLE, 99, None),
            (0, 0, None),
            (5, 1, None),
        ] {
            let message = self::message(kind, code, 0, &packet(PROTOCOL_UDP));
            let error = IcmpError::parse(&message, ROUTER, LOCAL);
            assert_eq!(error.map(|error| error.kind), expected, "type {kind}, code {code}");
        }
    }

    #[test]
    fn errors_about_packets_of_others_or_without_ports_are_ignored() {
        let whole = message(UNREACHABLE, 3, 0, &packet(PROTOCOL_UDP));
        assert_eq!(IcmpError::parse(&whole, ROUTER, REMOTE), None);
        for length in 0..36 {
            assert_eq!(IcmpError::parse(&whole[..length], ROUTER, LOCAL), None, "{length} bytes");
        }
        let mut fragment = packet(PROTOCOL_UDP);
        fragment[7] = 1;
        assert_eq!(IcmpError::parse(&message(UNREACHABLE, 3, 0, &fragment), ROUTER, LOCAL), None);
    }

    #[test]
    fn what_is_written_is_parsed() {
        let about = packet(PROTOCOL_UDP);
        let mut report = [0].repeat(error_length(&about));
        write_unreachable(&mut report, REMOTE, LOCAL, PORT_UNREACHABLE, &about);
        let header = ipv4::Ipv4Header::parse(&report).expect("a valid header");
        assert_eq!((header.source, header.destination, header.total_length), (REMOTE, LOCAL, report.len()));
        let error = IcmpError::parse(&report[20..], REMOTE, LOCAL).expect("an error");
        assert_eq!((error.kind, error.local_port), (IcmpErrorKind::PortUnreachable, 0x1234));
        assert_eq!(error_length(&[0; 2000]), 576);
    }
}
