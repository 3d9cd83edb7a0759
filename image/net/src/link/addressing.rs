//! The address and the routes of an interface.

use core::net::{IpAddr, Ipv4Addr};

use smoltcp::time::Instant;

use super::Link;
use super::routes::{self, Route};
use crate::config::InterfaceConfig;

impl Link {
    /// Sets the IPv4 address and routes. Neighbours of another network are forgotten.
    pub(crate) fn set_config(&mut self, config: &InterfaceConfig, now: Instant) {
        let own = config.ipv4_address().and_then(|own| match own.address {
            IpAddr::V4(address) => Some((address, own.prefix_length)),
            IpAddr::V6(_) => None,
        });
        let (address, prefix_length) = own.unwrap_or((Ipv4Addr::UNSPECIFIED, 32));
        if (address, prefix_length) != (self.address, self.prefix_length) {
            self.neighbours.clear();
        }
        if address != self.address {
            self.groups.report_again(now);
            self.idle_until = Instant::ZERO;
            match address.is_unspecified() {
                true => self.conflicts.stop(),
                false => self.conflicts.start(now),
            }
        }
        (self.address, self.prefix_length) = (address, prefix_length);
        // A network of one or two addresses has no broadcast address (RFC 3021).
        self.broadcast = match prefix_length {
            31.. => Ipv4Addr::UNSPECIFIED,
            _ => Ipv4Addr::from_bits(address.to_bits() | !routes::mask(prefix_length)),
        };
        self.routes.clear();
        if address.is_unspecified() {
            return;
        }
        self.routes.add(Route::new(address, prefix_length, None));
        for route in &config.routes {
            let IpAddr::V4(destination) = route.destination else { continue };
            let gateway = match route.gateway {
                Some(IpAddr::V4(gateway)) => Some(gateway),
                Some(IpAddr::V6(_)) => continue,
                None => None,
            };
            if let Some(gateway) = gateway {
                // It is on the link, even if its address is not within the network (as RFC 3442 allows, and clouds do).
                if !self.is_on_link(gateway) {
                    self.routes.add(Route::new(gateway, 32, None));
                }
                self.neighbours.set_router(gateway.to_bits(), now);
            }
            self.routes.add(Route::new(destination, route.prefix_length, gateway));
        }
    }

    /// Returns whether a host is on the link, for both protocols.
    pub(crate) fn is_neighbour(&mut self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.is_on_link(address),
            IpAddr::V6(address) => self.ipv6.is_on_link(&address),
        }
    }

    /// Returns whether a host is reached without a router.
    pub(crate) fn is_on_link(&self, address: Ipv4Addr) -> bool {
        self.routes.next_hop(address.to_bits()) == Some(address.to_bits())
    }
}
