//! The name of this host on its link: what the responder of multicast DNS receives and sends.

use core::net::{IpAddr, SocketAddr, SocketAddrV4};

use smoltcp::time::Instant;

use super::datagram::{Ends, payload, with_packet};
use super::engine::Engine;
use crate::interface_state::InterfaceState;
use crate::link::FrameSender;
use crate::link::ipv4::Ipv4Header;
use crate::mdns::{self, Destination};

impl Engine {
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

    /// Sends what the responder has to send, after a change of the configuration if there was one.
    pub(super) fn send_mdns(&mut self, sender: &mut FrameSender<'_, '_>, state: &InterfaceState, now: Instant) {
        let version = state.config_version();
        if self.config_version != version {
            self.config_version = version;
            self.responder.set_config(&state.config(), now);
        }
        if self.responder.deadline().is_none_or(|at| now < at) {
            return;
        }
        let own = state.config().ipv4_address().map(|own| own.address);
        while sender.has_room()
            && let Some(datagram) = self.responder.poll(now)
        {
            let Some(IpAddr::V4(own)) = own else { continue };
            let destination = match datagram.destination {
                Destination::Group => SocketAddrV4::new(mdns::GROUP, mdns::PORT),
                Destination::Host(SocketAddr::V4(host)) => host,
                Destination::Host(SocketAddr::V6(_)) => continue,
            };
            let ends = Ends { source: SocketAddrV4::new(own, mdns::PORT), destination };
            with_packet(ends, mdns::TIME_TO_LIVE, datagram.payload(), |packet| self.link.egress(packet, sender, now));
        }
        state.set_local_name(self.responder.established_name());
    }
}
