//! The name of this host on its link: what the responder of multicast DNS receives and sends.

use core::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use smoltcp::time::Instant;

use super::datagram::{Ends, payload, with_packet};
use super::engine::Engine;
use crate::interface_state::InterfaceState;
use crate::ipv6::{MDNS, with_datagram};
use crate::link::FrameSender;
use crate::link::ipv4::Ipv4Header;
use crate::mdns::{self, Destination};

/// Bytes of a header without extensions.
const IPV6_HEADER: usize = 40;
/// The group over IPv6.
const MDNS_GROUP: SocketAddrV6 = SocketAddrV6::new(MDNS, mdns::PORT, 0, 0);

const RESPONDER_GROUPS: [IpAddr; 2] = [IpAddr::V4(mdns::GROUP), IpAddr::V6(MDNS)];

impl Engine {
    /// Returns whether the responder is in a group.
    pub(super) fn is_needed_by_responder(&self, group: IpAddr) -> bool {
        self.has_responder_groups && RESPONDER_GROUPS.contains(&group)
    }

    /// Handles a datagram to the port of multicast DNS. One that was not sent to the group must be of a host on the link
    /// (RFC 6762, 11).
    #[cold]
    pub(super) fn receive_mdns(&mut self, packet: &[u8], header: &Ipv4Header, now: Instant) {
        if header.destination != mdns::GROUP && !self.link.is_on_link(header.source) {
            return;
        }
        if let Some((payload, port)) = payload(packet, header.header_length) {
            self.responder.receive(payload, SocketAddr::new(header.source.into(), port), now);
        }
    }

    /// As [`receive_mdns`](Self::receive_mdns), over IPv6: only link-local addresses are known to be on the link.
    #[cold]
    pub(super) fn receive_mdns6(&mut self, packet: &[u8], source: Ipv6Addr, now: Instant) {
        let is_for_group = packet.get(24..40) == Some(&MDNS.octets());
        if !is_for_group && !source.is_unicast_link_local() {
            return;
        }
        if let Some((payload, port)) = payload(packet, IPV6_HEADER) {
            self.responder.receive(payload, SocketAddr::new(source.into(), port), now);
        }
    }

    /// Sends what the responder has to send, after a change of the configuration if there was one.
    pub(super) fn send_mdns(&mut self, sender: &mut FrameSender<'_, '_>, state: &InterfaceState, now: Instant) {
        let version = state.config_version();
        if self.config_version != version {
            self.config_version = version;
            let config = state.config();
            self.responder.set_config(&config, now);
            if config.hostname.is_some() {
                self.has_responder_groups = RESPONDER_GROUPS.into_iter().all(|group| self.link.join(group, now));
            }
        }
        self.responder.set_has_http(self.tcp.is_listening(mdns::HTTP_PORT), now);
        if self.responder.deadline().is_none_or(|at| now < at) {
            return;
        }
        let own = state.config().ipv4_address().map(|own| own.address);
        while sender.has_room()
            && let Some(datagram) = self.responder.poll(now)
        {
            let (ipv4, ipv6) = match datagram.destination {
                Destination::Group => (Some(SocketAddrV4::new(mdns::GROUP, mdns::PORT)), Some(MDNS_GROUP)),
                Destination::Host(SocketAddr::V4(host)) => (Some(host), None),
                Destination::Host(SocketAddr::V6(host)) => (None, Some(host)),
            };
            if let Some((Some(IpAddr::V4(own)), destination)) = ipv4.map(|destination| (own, destination)) {
                let ends = Ends { source: SocketAddrV4::new(own, mdns::PORT), destination };
                with_packet(ends, mdns::TIME_TO_LIVE, datagram.payload(), |packet| {
                    self.link.egress(packet, sender, now);
                });
            }
            if let Some((own, destination)) = self.link.ipv6.link_local().zip(ipv6) {
                let ends = (SocketAddrV6::new(own, mdns::PORT, 0, 0), destination);
                with_datagram(ends, mdns::TIME_TO_LIVE, datagram.payload(), |packet| {
                    self.link.egress(packet, sender, now);
                });
            }
        }
        state.set_local_name(self.responder.established_name());
    }
}
