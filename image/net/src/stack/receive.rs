//! The way of a received frame: to a TCP, UDP or raw socket, or an answer of the stack itself.

use core::net::SocketAddr;

use smoltcp::time::Instant;

use super::address::dhcp_payload;
use super::checksum;
use super::device::IngressDevice;
use super::engine::Engine;
use super::socket_table::Entry;
use super::udp::{Delivery, datagram};
use crate::flow::ConnectionKey;
use crate::link::ethernet::ETHERNET_HEADER;
use crate::link::icmp::{
    self, ECHO_REQUEST, IcmpError, PORT_UNREACHABLE, PROTOCOL_UNREACHABLE, error_length, write_unreachable,
};
use crate::link::igmp::PROTOCOL_IGMP;
use crate::link::ipv4::{Ipv4Header, PROTOCOL_ICMP, PROTOCOL_TCP, PROTOCOL_UDP};
use crate::link::{DHCP_CLIENT_PORT, DropReason, Ingress, ReplySender};
use crate::mdns;
use crate::segment::Segment;

impl Engine {
    /// Handles a received frame.
    pub(super) fn receive(&mut self, frame: &mut [u8], reply: &mut ReplySender<'_>, now: Instant) {
        match self.link.ingress(frame, reply, now) {
            Ingress::Ipv4(header) => {
                let packet = &mut frame[ETHERNET_HEADER..ETHERNET_HEADER + header.total_length];
                match header.fragment {
                    0 => self.receive_ipv4(packet, &header, reply, now),
                    _ => self.receive_fragment(packet, &header, reply, now),
                }
            }
            Ingress::Ipv6 => {
                self.idle_until = Instant::ZERO;
                self.receive_ipv6(frame, reply, now);
            }
            // It may have been of ARP.
            Ingress::Consumed => self.idle_until = Instant::ZERO,
        }
    }

    #[cold]
    fn receive_fragment(&mut self, packet: &[u8], header: &Ipv4Header, reply: &mut ReplySender<'_>, now: Instant) {
        if let Some(mut whole) = self.link.reassemble(packet, header, reply, now)
            && let Some(header) = Ipv4Header::parse(&whole)
        {
            self.receive_ipv4(&mut whole, &header, reply, now);
        }
    }

    #[inline]
    fn receive_ipv4(&mut self, packet: &mut [u8], header: &Ipv4Header, reply: &mut ReplySender<'_>, now: Instant) {
        let is_delivered = !self.raw.is_empty() && self.raw.deliver_ipv4(packet, header);
        match header.protocol {
            PROTOCOL_TCP => self.receive_tcp(packet, header, reply, now),
            PROTOCOL_UDP => self.receive_datagram(packet, header, reply, now),
            PROTOCOL_ICMP => self.receive_icmp(packet, header, reply, now),
            PROTOCOL_IGMP => {
                self.idle_until = Instant::ZERO;
                self.link.receive_igmp(&packet[header.header_length..], header.destination, now);
            }
            _ if is_delivered => {}
            _ => self.refuse(packet, header, PROTOCOL_UNREACHABLE, reply, now),
        }
    }

    #[inline]
    fn receive_tcp(&mut self, packet: &mut [u8], header: &Ipv4Header, reply: &mut ReplySender<'_>, now: Instant) {
        let Some(segment) = Segment::of_ipv4(header) else { return reply.drop_packet(DropReason::Malformed) };
        let is_verified = self.max_large_packet > 0 && reply.reply.is_verified();
        if self.software_checksums && !is_verified && !checksum::is_valid(packet, &segment) {
            return reply.drop_packet(DropReason::BadChecksum);
        }
        // A connection has one peer (RFC 9293, 3.9.2.3).
        if self.link.is_group(header.destination) {
            return reply.drop_packet(DropReason::NotForUs);
        }
        let socket = ConnectionKey::of_ipv4(packet, header.source, &segment);
        let socket = socket.and_then(|key| self.sockets.find_connected(key));
        let Some(socket) = socket.or_else(|| self.receive_unconnected(packet, now)) else { return };
        if !self.prepare_segment(socket, packet, &segment, now) {
            return;
        }
        if self.max_large_packet > 0 {
            self.set_acknowledgement_delay(socket, segment.range.len());
        }
        let Some(Entry { set, connection, .. }) = self.sockets.entry(socket) else { return };
        let mut ingress = IngressDevice {
            packet: Some(packet),
            connection: connection.as_mut(),
            source: header.source.into(),
            link: &mut self.link,
            reply,
            software_checksums: self.software_checksums,
            now,
        };
        self.interface.poll_ingress_single(now, &mut ingress, set);
        if !self.sockets.was_passed_segment(socket, now) {
            self.reschedule(socket, false, now);
        }
    }

    #[inline]
    fn receive_datagram(&mut self, packet: &[u8], header: &Ipv4Header, reply: &mut ReplySender<'_>, now: Instant) {
        let bytes = &packet[header.header_length..];
        let Some(datagram) = datagram::parse(bytes, header.source, header.destination) else {
            return reply.drop_packet(DropReason::Malformed);
        };
        let source = SocketAddr::new(header.source.into(), datagram.source_port);
        let is_for_socket =
            !header.destination.is_multicast() || self.datagrams.is_member(datagram.port, header.destination.into());
        let delivery = match is_for_socket {
            true => self.datagrams.deliver(datagram.port, source, datagram.payload),
            false => Delivery::NoSocket,
        };
        match delivery {
            Delivery::Delivered => return,
            Delivery::Full => return reply.drop_packet(DropReason::ReceiveBufferFull),
            Delivery::NoSocket => self.idle_until = Instant::ZERO,
        }
        match datagram.port {
            DHCP_CLIENT_PORT => {
                if let Some(client) = self.address.dhcp_client() {
                    if let Some(payload) = dhcp_payload(packet, header.header_length) {
                        client.receive(payload, now);
                    }
                    return;
                }
            }
            mdns::PORT => return self.receive_mdns(packet, header, now),
            _ => {}
        }
        self.refuse(packet, header, PORT_UNREACHABLE, reply, now);
    }

    fn receive_icmp(&mut self, packet: &[u8], header: &Ipv4Header, reply: &mut ReplySender<'_>, now: Instant) {
        self.idle_until = Instant::ZERO;
        let message = &packet[header.header_length..];
        if !icmp::is_valid(message) {
            return reply.drop_packet(DropReason::Malformed);
        }
        if message[0] != ECHO_REQUEST {
            if let Some(error) = IcmpError::parse(message, header.source, self.link.address()) {
                self.report(&error, now);
            }
            return;
        }
        // A request to all is not answered (RFC 1122, 3.2.2.6): the answers would flood its source.
        if header.destination != self.link.address() {
            return reply.drop_packet(DropReason::NotForUs);
        }
        if !self.echo_limit.take(now) {
            return reply.drop_packet(DropReason::RateLimited);
        }
        let (source, destination) = (header.destination, header.source);
        self.link.reply(destination, icmp::echo_reply_length(message), reply, now, &mut |packet| {
            icmp::write_echo_reply(packet, source, destination, message);
        });
    }

    /// Reports a packet for which there is no socket to its sender, as often as the limit allows.
    #[cold]
    fn refuse(&mut self, packet: &[u8], header: &Ipv4Header, code: u8, reply: &mut ReplySender<'_>, now: Instant) {
        reply.drop_packet(DropReason::NoSocket);
        self.idle_until = Instant::ZERO;
        // A packet to several hosts is not reported (RFC 1122, 3.2.2).
        if header.destination != self.link.address() || !icmp::may_report(packet, header) {
            return;
        }
        if !self.error_limit.take(now) {
            return reply.drop_packet(DropReason::RateLimited);
        }
        let (source, destination) = (header.destination, header.source);
        self.link.reply(destination, error_length(packet), reply, now, &mut |report| {
            write_unreachable(report, source, destination, code, packet);
        });
    }

    /// Passes an error to the sockets that it is about.
    pub(super) fn report(&mut self, error: &IcmpError, now: Instant) {
        self.raw.report(error);
        match error.protocol {
            PROTOCOL_UDP => self.datagrams.report(error),
            PROTOCOL_TCP => self.tcp_icmp_error(error, now),
            _ => {}
        }
    }
}
