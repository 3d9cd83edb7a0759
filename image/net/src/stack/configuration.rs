//! The configuration of the engine: where addresses come from, and what becomes of conflicts.

use core::net::IpAddr;

use smoltcp::time::Instant;
use smoltcp::wire::{IpCidr, Ipv4Cidr};

use super::address::{Withdrawn, with_dhcp_packet};
use super::engine::Engine;
use crate::config::{ConfigSource, InterfaceAddress, InterfaceConfig};
use crate::dhcp;
use crate::interface_state::InterfaceState;
use crate::link::{Conflict, FrameSender};

impl Engine {
    /// Sets the static address once the link is up, or does what the DHCP client wants done.
    pub(super) fn update_address(&mut self, sender: &mut FrameSender<'_, '_>, state: &InterfaceState, now: Instant) {
        if let Some(conflict) = self.link.take_conflict() {
            self.handle_conflict(&conflict, state, now);
        }
        if let Some(InterfaceConfig { addresses, routes, .. }) = self.address.static_config(state.is_up(), now) {
            let source = ConfigSource::CommandLine;
            let mut part = state.config_part(source);
            part.addresses.extend(addresses);
            part.routes.retain(|route| !routes.contains(route));
            part.routes.extend(routes);
            self.set_config(source, part, state, now);
        }
        self.update_ipv6_config(state);
        while let Some(client) = self.address.dhcp_client().filter(|client| client.has_work(now) && sender.has_room()) {
            match client.poll(now) {
                None => break,
                Some(dhcp::Action::Send(datagram)) => {
                    with_dhcp_packet(&datagram, |packet| self.link.egress(packet, sender, now));
                }
                Some(dhcp::Action::Configure(config)) => {
                    self.set_config(ConfigSource::Dhcp, config, state, now);
                    self.address.link_local.stop();
                }
                Some(dhcp::Action::Deconfigure) => {
                    self.set_config(ConfigSource::Dhcp, InterfaceConfig::default(), state, now);
                }
                Some(dhcp::Action::NoServer) => {
                    let function = state.function;
                    log::warn!(
                        "net {function}: no DHCP server answers; a link-local address is used, discovery goes on"
                    );
                    self.address.link_local.start();
                }
            }
        }
        if state.is_up()
            && let Some(address) = self.address.link_local.poll(now)
        {
            let mut part = state.config_part(ConfigSource::LinkLocal);
            part.addresses.retain(|own| own.address.is_ipv6());
            part.addresses.extend(address);
            self.set_config(ConfigSource::LinkLocal, part, state, now);
        }
        self.send_mdns(sender, state, now);
    }

    /// Handles a conflict over the IPv4 address (RFC 5227, 2.1.1 and 2.4).
    #[cold]
    fn handle_conflict(&mut self, conflict: &Conflict, state: &InterfaceState, now: Instant) {
        let (function, Conflict { address, other, is_withdrawn }) = (state.function, *conflict);
        if !is_withdrawn {
            return log::warn!("net {function}: address {address} is claimed by {other} too; it is defended");
        }
        let source = match self.address.withdraw(address, now) {
            Withdrawn::Dhcp => {
                return log::warn!("net {function}: address {address} belongs to {other}; it is declined");
            }
            Withdrawn::LinkLocal => {
                log::warn!("net {function}: address {address} belongs to {other}; another one is chosen");
                ConfigSource::LinkLocal
            }
            Withdrawn::Static(seconds) => {
                log::warn!(
                    "net {function}: address {address} belongs to {other}; it is not used, next attempt in {seconds} s"
                );
                ConfigSource::CommandLine
            }
        };
        let mut part = state.config_part(source);
        part.addresses.retain(|own| own.address != IpAddr::V4(address));
        self.set_config(source, part, state, now);
    }

    /// Handles a change of the link. A DHCP client keeps its address while the lease runs, and confirms it.
    pub(super) fn link_changed(&mut self, is_up: bool, state: &InterfaceState, now: Instant) {
        self.idle_until = Instant::ZERO;
        state.link_changed(is_up);
        self.link.link_changed(is_up, now);
        self.link.ipv6.link_changed(is_up, now);
        if let Some(client) = self.address.dhcp_client() {
            client.link_changed(is_up, now);
        }
        self.responder.link_changed(is_up, now);
    }

    /// Announces the addresses and the groups: the machine may be connected to another place of the network.
    #[cold]
    pub(super) fn announce(&mut self, now: Instant) {
        self.idle_until = Instant::ZERO;
        self.link.announce(now);
    }

    /// Replaces what `source` contributes to the configuration, and applies the whole.
    fn set_config(&mut self, source: ConfigSource, mut part: InterfaceConfig, state: &InterfaceState, now: Instant) {
        self.link.ipv6.contribute(source, &mut part);
        if state.set_config(source, part) {
            self.apply_config(&state.config(), now);
        }
    }

    fn apply_config(&mut self, config: &InterfaceConfig, now: Instant) {
        self.set_mtu(config.mtu);
        self.interface.update_ip_addrs(|addresses| {
            addresses.clear();
            let own = config.ipv4_address();
            if let Some((InterfaceAddress { prefix_length, .. }, IpAddr::V4(address))) =
                own.map(|own| (own, own.address))
            {
                // There is room for one.
                addresses.push(IpCidr::Ipv4(Ipv4Cidr::new(address, prefix_length))).ok();
            }
        });
        self.link.set_config(config, now);
    }
}
