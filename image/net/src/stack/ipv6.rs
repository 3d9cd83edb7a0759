//! IPv6 in the engine: received packets and the configuration.

use core::net::{Ipv6Addr, SocketAddr};

use smoltcp::time::Instant;

use super::checksum;
use super::device::IngressDevice;
use super::engine::{Engine, now};
use super::socket_table::Entry;
use super::tcp::{ConnectionError, ConnectionErrorKind, Endpoints};
use super::udp::Delivery;
use crate::config::ConfigSource;
use crate::flow::Flow;
use crate::interface_state::InterfaceState;
use crate::ipv6::{ErrorKind, Received};
use crate::link::ethernet::ETHERNET_HEADER;
use crate::link::ipv4::{PROTOCOL_TCP, PROTOCOL_UDP};
use crate::link::{DropReason, ReplySender};
use crate::mdns;
use crate::segment::Segment;

/// The minimum of what each link carries (RFC 8200, 5).
const MIN_MTU: u16 = 1280;

impl Engine {
    /// Handles a received frame with an IPv6 packet.
    pub(super) fn receive_ipv6(&mut self, frame: &mut [u8], reply: &mut ReplySender<'_>, now: Instant) {
        match self.link.ipv6.receive(frame, reply, now) {
            Received::Done => {}
            Received::Packet(range) => self.receive_ipv6_packet(&mut frame[range], reply, now),
            Received::Reassembled(mut frame) => self.receive_ipv6_packet(&mut frame[ETHERNET_HEADER..], reply, now),
            Received::Error(error) => self.ipv6_error(&error, now),
        }
    }

    /// Handles an error about a packet that this host has sent. Those about datagrams have no receiver.
    fn ipv6_error(&mut self, error: &crate::ipv6::IcmpError, now: Instant) {
        if error.protocol != PROTOCOL_TCP {
            return;
        }
        let (local, remote) = (error.local, error.remote);
        let endpoints =
            Endpoints { local: local.ip(), remote: remote.ip(), local_port: local.port(), remote_port: remote.port() };
        let kind = match error.kind {
            ErrorKind::Unreachable | ErrorKind::TimeExceeded => ConnectionErrorKind::Unreachable,
            ErrorKind::PortUnreachable | ErrorKind::Problem => ConnectionErrorKind::Refused,
            // No path of IPv6 is shorter than the minimum (RFC 8201, 4).
            ErrorKind::TooBig(bytes) => {
                ConnectionErrorKind::TooLong { max_bytes: u16::try_from(bytes).unwrap_or(u16::MAX).max(MIN_MTU) }
            }
        };
        let (sequence, packet_bytes) = (error.sequence_number, error.packet_bytes);
        self.tcp_icmp_error(&ConnectionError { endpoints, sequence, packet_bytes, kind }, now);
    }

    /// Handles the packets whose next hop does not answer.
    pub(super) fn ipv6_failures(&mut self, now: Instant) {
        while let Some(error) = self.link.ipv6.take_failed() {
            self.ipv6_error(&error, now);
        }
    }

    /// Handles a TCP segment or a UDP datagram directly behind the IPv6 header.
    fn receive_ipv6_packet(&mut self, packet: &mut [u8], reply: &mut ReplySender<'_>, now: Instant) {
        let Some(segment) = Segment::of_sent(packet) else { return reply.drop_packet(DropReason::Malformed) };
        let has_checksum = packet[segment.checksum..segment.checksum + 2] != [0, 0];
        // A datagram without a checksum is invalid (RFC 8200, 8.1).
        let is_right = !self.software_checksums
            || checksum::is_valid(packet, &segment) && (has_checksum || segment.protocol != PROTOCOL_UDP);
        if !is_right {
            return reply.drop_packet(DropReason::BadChecksum);
        }
        let Some(flow) = Flow::of_ipv6(packet, &segment) else { return reply.drop_packet(DropReason::Malformed) };
        let Some(source) = packet.get(8..).and_then(|rest| rest.first_chunk::<16>()).map(|from| Ipv6Addr::from(*from))
        else {
            return;
        };
        if flow == Flow::Udp(mdns::PORT) {
            return self.receive_mdns6(packet, source, now);
        }
        if let Flow::Udp(port) = flow {
            let source_port = u16::from_be_bytes([packet[segment.range.start], packet[segment.range.start + 1]]);
            let payload = packet.get(segment.range.start + 8..segment.range.end).unwrap_or_default();
            match self.datagrams.deliver(port, SocketAddr::new(source.into(), source_port), payload) {
                Delivery::Delivered => {}
                Delivery::Full => reply.drop_packet(DropReason::ReceiveBufferFull),
                Delivery::NoSocket => self.link.ipv6.port_unreachable(packet, reply, now),
            }
            return;
        }
        let mut socket = self.sockets.find(flow);
        if let Flow::Tcp6(key) = flow {
            if socket.is_none() && !key.local.is_multicast() {
                socket = self.receive_unconnected(packet, now);
            }
            if !socket.is_some_and(|socket| self.prepare_segment(socket, packet, &segment, now)) {
                return;
            }
        }
        let mut ingress = IngressDevice {
            packet: Some(packet),
            connection: None,
            source: source.into(),
            link: &mut self.link,
            reply,
            software_checksums: self.software_checksums,
            now,
        };
        match socket.and_then(|socket| Some((socket, self.sockets.entry(socket)?))) {
            Some((socket, Entry { set, connection, .. })) => {
                ingress.connection = connection.as_mut();
                self.interface.poll_ingress_single(now, &mut ingress, set);
                if !self.sockets.was_passed_segment(socket, now) {
                    self.reschedule(socket, false, now);
                }
            }
            None => {
                self.interface.poll_ingress_single(now, &mut ingress, &mut self.no_sockets);
            }
        }
    }

    /// Takes what IPv6 has learnt into the configuration.
    pub(super) fn update_ipv6_config(&mut self, state: &InterfaceState) {
        if !self.link.ipv6.take_config_change() {
            return;
        }
        for source in ConfigSource::ALL {
            let mut part = state.config_part(source);
            self.link.ipv6.contribute(source, &mut part);
            state.set_config(source, part);
        }
    }

    /// Returns the address to send from to `destination`.
    pub(super) fn ipv6_source_for(&self, destination: &Ipv6Addr) -> Option<Ipv6Addr> {
        self.link.ipv6.source_for(destination, now())
    }
}
