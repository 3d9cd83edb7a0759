//! The configuration of an interface that comes from IPv6, and the link's changes.

use core::net::IpAddr;

use smoltcp::time::Instant;

use super::address::{ALL_NODES, Prefix, solicited_node};
use super::addresses::Lifetimes;
use super::{Ipv6, dhcpv6, mld, ndp};
use crate::config::{ConfigSource, InterfaceAddress, InterfaceConfig, Route};

impl Ipv6 {
    /// Handles a change of the link. What was learnt is kept while it is down, for as long as its lifetimes run: the same
    /// link may come back. Then duplicates are detected again, groups reported and routers solicited.
    pub(crate) fn link_changed(&mut self, is_up: bool, now: Instant) {
        if !super::IS_BUILT_IN {
            return;
        }
        self.idle_until = Instant::ZERO;
        self.is_up = is_up && !self.settings.is_off;
        self.neighbors.clear();
        self.advertised.link_changed();
        self.listener.clear();
        self.reassembly.clear();
        self.waiting.clear();
        (self.resolved, self.pending, self.route_cache) = Default::default();
        if !self.is_up {
            return;
        }
        self.is_config_changed = true;
        self.addresses.detect_again();
        self.addresses.add_link_local(now);
        for (address, prefix_length) in self.settings.addresses.clone() {
            self.addresses.add((address, prefix_length), ConfigSource::CommandLine, Lifetimes::UNLIMITED, now);
            self.routers.add_static(Prefix::new(address, prefix_length), None);
        }
        if let Some(gateway) = self.settings.gateway {
            self.routers.add_static(Prefix::new(core::net::Ipv6Addr::UNSPECIFIED, 0), Some(gateway));
        }
        for route in &self.settings.routes {
            if let (IpAddr::V6(destination), Some(IpAddr::V6(gateway))) = (route.destination, route.gateway) {
                self.routers.add_static(Prefix::new(destination, route.prefix_length), Some(gateway));
            }
        }
        if !self.settings.is_manual {
            self.routers.solicit(now);
        }
        self.update_groups(now);
    }

    /// Joins the groups of the addresses and of the sockets.
    pub(super) fn update_groups(&mut self, now: Instant) {
        let of_addresses = self.addresses.iter().map(|own| solicited_node(&own.address));
        let wanted = of_addresses.chain(self.joined.iter()).filter(mld::is_reported);
        self.listener.set(wanted, now);
    }

    /// Returns the groups whose packets are received.
    pub(crate) fn groups(&self) -> impl Iterator<Item = core::net::Ipv6Addr> + '_ {
        self.listener.iter().chain([ALL_NODES]).filter(|_| self.is_up)
    }

    /// Returns whether the groups may have changed since the last call.
    #[inline]
    pub(crate) fn take_group_change(&mut self) -> bool {
        self.listener.take_change()
    }

    /// Announces the addresses by unsolicited advertisements, and reports the groups (RFC 4861, 7.2.6).
    pub(crate) fn announce(&mut self, now: Instant) {
        if !self.is_up {
            return;
        }
        let own = self.addresses.iter().filter(|own| !own.is_optimistic());
        let addresses: alloc::vec::Vec<_> = own.map(|own| own.address).collect();
        for address in addresses {
            self.push(address, ALL_NODES, &ndp::advertisement(&address, self.mac, false, true));
        }
        self.listener.report_again(now);
        self.idle_until = Instant::ZERO;
    }

    /// Joins a multicast group, whose datagrams sockets then receive. Returns `false` when there are too many.
    pub(crate) fn join(&mut self, group: core::net::Ipv6Addr, now: Instant) -> bool {
        if !super::IS_BUILT_IN {
            return false;
        }
        let is_joined = self.joined.add(group);
        self.joined_changed(now);
        is_joined
    }

    /// Leaves a multicast group.
    pub(crate) fn leave(&mut self, group: core::net::Ipv6Addr, now: Instant) {
        self.joined.remove(group);
        self.joined_changed(now);
    }

    fn joined_changed(&mut self, now: Instant) {
        self.idle_until = Instant::ZERO;
        if self.is_up {
            self.update_groups(now);
        }
    }

    /// Notes that the addresses have changed.
    pub(super) fn addresses_changed(&mut self, now: Instant) {
        self.update_groups(now);
        (self.is_config_changed, self.route_cache) = (true, None);
    }

    /// Returns whether [`contribute`](Self::contribute) has something new.
    pub(crate) fn take_config_change(&mut self) -> bool {
        core::mem::take(&mut self.is_config_changed)
    }

    /// Returns whether [`take_config_change`](Self::take_config_change) has one.
    pub(crate) fn has_config_change(&self) -> bool {
        self.is_config_changed
    }

    /// Replaces what IPv6 contributes to a source's part of the configuration.
    pub(crate) fn contribute(&self, source: ConfigSource, part: &mut InterfaceConfig) {
        if !super::IS_BUILT_IN {
            return;
        }
        part.addresses.retain(|address| address.address.is_ipv4());
        part.routes.retain(|route| route.destination.is_ipv4());
        let own = self.addresses.iter().filter(|own| own.source == source);
        part.addresses.extend(own.map(|own| InterfaceAddress::new(own.address.into(), own.prefix_length, source)));
        match source {
            ConfigSource::CommandLine if !self.settings.is_off => {
                let gateway = self.settings.gateway.map(|gateway| Route::default_by(gateway.into()));
                part.routes.extend(gateway);
                part.routes.extend_from_slice(&self.settings.routes);
            }
            ConfigSource::RouterAdvertisement => {
                let advertised = self.routers.routers().filter(|router| Some(*router) != self.settings.gateway);
                part.routes.extend(advertised.map(|router| Route::default_by(router.into())));
                part.dns_servers = self.advertised.servers().map(IpAddr::from).collect();
                part.search_domains = self.advertised.domains().collect();
                part.mtu = self.advertised.mtu;
            }
            ConfigSource::Dhcpv6 => {
                let addresses = |list: &[core::net::Ipv6Addr]| list.iter().copied().map(IpAddr::from).collect();
                part.dns_servers = addresses(&self.dhcp_learnt.dns_servers);
                part.ntp_servers = addresses(&self.dhcp_learnt.ntp_servers);
                part.search_domains.clone_from(&self.dhcp_learnt.search_domains);
            }
            _ => {}
        }
    }

    /// Takes what the DHCPv6 client has learnt.
    pub(super) fn learnt(&mut self, learnt: dhcpv6::Learnt, now: Instant) {
        if let Some(lease) = learnt.lease {
            let is_known = self.addresses.has(&lease.address);
            if !is_known {
                self.addresses.remove(ConfigSource::Dhcpv6);
            }
            let lifetimes = Lifetimes { preferred_s: lease.preferred_s, valid_s: lease.valid_s };
            // A lease has no prefix: which hosts are on the link, only routers advertise (RFC 5942).
            self.addresses.add((lease.address, 128), ConfigSource::Dhcpv6, lifetimes, now);
        }
        self.dhcp_learnt = learnt;
        self.addresses_changed(now);
    }
}
