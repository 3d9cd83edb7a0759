//! The address of a stack: told on the command line, or leased by DHCP.

use smoltcp::socket::dhcpv4;
use smoltcp::time::Instant;
use smoltcp::wire::{IpCidr, Ipv4Cidr};

use super::Core;
use super::sets::{Name, Sets};
use crate::AddressSource;
use crate::interface::{Config, State};

/// Where the address comes from.
pub(super) enum AddressKeeper {
    /// There from the start.
    Fixed {
        config: Config,
        /// Whether the interface has it.
        is_set: bool,
    },
    /// The DHCP client, which there is room for in a new stack.
    Leased(Option<Name>),
}

impl AddressKeeper {
    pub(super) fn new(source: AddressSource, sets: &mut Sets) -> Self {
        match source {
            AddressSource::Dhcp => Self::Leased(sets.add_dhcp(dhcpv4::Socket::new())),
            AddressSource::Static { address, prefix, gateway } => {
                Self::Fixed { config: Config { address: Ipv4Cidr::new(address, prefix), gateway }, is_set: false }
            }
        }
    }
}

impl Core {
    /// Takes over what DHCP has found out, or the fixed address once the link is up.
    pub(super) fn keep_address(&mut self, state: &State, now: Instant) {
        let news = match &mut self.address {
            AddressKeeper::Fixed { config, is_set } => {
                let is_news = state.is_up() && !core::mem::replace(is_set, *is_set || state.is_up());
                is_news.then(|| Some(config.clone()))
            }
            AddressKeeper::Leased(client) => {
                let socket = client.and_then(|client| self.sets.get::<dhcpv4::Socket<'_>>(client));
                socket.filter(|_| state.is_up()).and_then(dhcpv4::Socket::poll).map(|event| match event {
                    dhcpv4::Event::Configured(lease) => Some(Config { address: lease.address, gateway: lease.router }),
                    dhcpv4::Event::Deconfigured => None,
                })
            }
        };
        if let Some(config) = news {
            self.set_config(config, state);
            // The client goes on, to renew its lease.
            if let AddressKeeper::Leased(Some(client)) = self.address {
                self.settle(client, now);
            }
        }
    }

    /// The link came or went. A lease is worth nothing on the next network.
    pub(super) fn link_changed(&mut self, is_up: bool, state: &State) {
        state.link_changed(is_up);
        if let AddressKeeper::Leased(Some(client)) = self.address {
            if let Some(socket) = self.sets.get::<dhcpv4::Socket<'_>>(client) {
                socket.reset();
            }
            if is_up {
                self.sets.queue(client);
            } else if state.config().is_some() {
                self.set_config(None, state);
            }
        }
    }

    fn set_config(&mut self, config: Option<Config>, state: &State) {
        self.interface.update_ip_addrs(|addresses| {
            addresses.clear();
            if let Some(config) = &config {
                // There is room for one.
                addresses.push(IpCidr::Ipv4(config.address)).ok();
            }
        });
        let routes = self.interface.routes_mut();
        match config.as_ref().and_then(|config| config.gateway) {
            // There is room for one.
            Some(gateway) => drop(routes.add_default_ipv4_route(gateway)),
            None => drop(routes.remove_default_ipv4_route()),
        }
        state.config_changed(config);
    }
}
