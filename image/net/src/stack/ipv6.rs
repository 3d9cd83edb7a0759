//! IPv6 in the engine: received packets and the configuration.

use core::net::{Ipv6Addr, SocketAddr};

use smoltcp::time::Instant;

use super::checksum;
use super::device::IngressDevice;
use super::engine::{Engine, now};
use super::socket_table::Entry;
use super::udp::Delivery;
use crate::config::ConfigSource;
use crate::flow::Flow;
use crate::interface_state::InterfaceState;
use crate::ipv6::{ICMPV6, IS_BUILT_IN, Received};
use crate::link::ethernet::ETHERNET_HEADER;
use crate::link::ipv4::{PROTOCOL_TCP, PROTOCOL_UDP};
use crate::link::{DropReason, ReplySender};
use crate::mdns;
use crate::segment::Segment;

impl Engine {
    /// Handles a received frame with an IPv6 packet.
    pub(super) fn receive_ipv6(&mut self, frame: &mut [u8], reply: &mut ReplySender<'_>, now: Instant) {
        if !IS_BUILT_IN {
            return;
        }
        match self.link.ipv6.receive(frame, reply, now) {
            Received::Done => {}
            Received::Packet(range) => self.receive_ipv6_frame(&mut frame[range], reply, now),
            Received::Reassembled(mut frame) => self.receive_ipv6_frame(&mut frame, reply, now),
        }
    }

    /// Handles a frame with an upper-layer packet directly behind the IPv6 header, and nothing behind that.
    fn receive_ipv6_frame(&mut self, frame: &mut [u8], reply: &mut ReplySender<'_>, now: Instant) {
        let is_delivered = !self.raw.is_empty() && self.raw.deliver_ipv6(frame);
        match frame.get(ETHERNET_HEADER + 6).copied() {
            Some(PROTOCOL_TCP | PROTOCOL_UDP) => self.receive_ipv6_packet(&mut frame[ETHERNET_HEADER..], reply, now),
            Some(ICMPV6) => {
                if let Some(error) = self.link.ipv6.control(frame, reply, now) {
                    self.report(&error, now);
                }
            }
            _ if is_delivered => {}
            _ => self.link.ipv6.protocol_unreachable(&frame[ETHERNET_HEADER..], reply, now),
        }
    }

    /// Handles a TCP segment or a UDP datagram directly behind the IPv6 header.
    fn receive_ipv6_packet(&mut self, packet: &mut [u8], reply: &mut ReplySender<'_>, now: Instant) {
        let Some(segment) = Segment::of_sent(packet) else { return reply.drop_packet(DropReason::Malformed) };
        let has_checksum = packet[segment.checksum..segment.checksum + 2] != [0, 0];
        // A datagram without a checksum is invalid (RFC 8200, 8.1).
        let is_verified = self.max_large_packet > 0 && segment.protocol == PROTOCOL_TCP && reply.reply.is_verified();
        let is_right = is_verified
            || !self.software_checksums
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
            let destination = packet.get(24..).and_then(|rest| rest.first_chunk::<16>()).copied().map(Ipv6Addr::from);
            let group = destination.filter(Ipv6Addr::is_multicast);
            let delivery = match group.is_none_or(|group| self.datagrams.is_member(port, group.into())) {
                true => self.datagrams.deliver(port, SocketAddr::new(source.into(), source_port), payload),
                false => Delivery::NoSocket,
            };
            match delivery {
                Delivery::Delivered => {}
                Delivery::Full => reply.drop_packet(DropReason::ReceiveBufferFull),
                Delivery::NoSocket if group.is_some() => reply.drop_packet(DropReason::NoSocket),
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
        if self.max_large_packet > 0
            && let Some(socket) = socket
        {
            self.set_acknowledgement_delay(socket, segment.range.len());
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
        if !IS_BUILT_IN || !self.link.ipv6.take_config_change() {
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
