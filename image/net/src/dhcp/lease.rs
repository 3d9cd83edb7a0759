//! A lease: an address for a time, and the parameters that came with it.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

use smoltcp::time::{Duration, Instant};

use super::domains::{name_of_text, search_list};
use super::message::Reply;
use super::options::{Options, code};
use crate::config::{ConfigSource, InterfaceAddress, InterfaceConfig, Route};

/// A lease time that has no end (RFC 2131, 3.3).
const INFINITE_SECONDS: u32 = u32::MAX;
/// Every IPv4 host can receive so long a packet (RFC 1122, 3.3.2); shorter limits would cut DNS and DHCP short.
const MIN_MTU: u16 = 576;
const MAX_SERVERS: usize = 8;
const MAX_ROUTES: usize = 32;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lease {
    pub(super) address: Ipv4Addr,
    pub(super) server: Ipv4Addr,
    pub(super) times: Times,
    parameters: Parameters,
}

/// When to renew and when to end; `None` for never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Times {
    /// T1: ask the server of the lease.
    pub(super) renewal: Option<Instant>,
    /// T2: ask any server.
    pub(super) rebinding: Option<Instant>,
    pub(super) end: Option<Instant>,
}

/// What a server has sent with an address; `None` for an option that it left out or that is malformed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Parameters {
    prefix_length: Option<u8>,
    gateway: Option<Ipv4Addr>,
    classless_routes: Option<Vec<Route>>,
    dns_servers: Option<Vec<IpAddr>>,
    search_domains: Option<Vec<String>>,
    ntp_servers: Option<Vec<IpAddr>>,
    hostname: Option<String>,
    mtu: Option<u16>,
}

impl Lease {
    /// Makes a lease of an acknowledgement (or checks an offer) of a request that was sent at `since`. `None` if it is one
    /// that must not be used: without a time, or with an address that no host can have.
    ///
    /// A renewal that leaves parameters out keeps those of `previous`.
    pub(super) fn of(reply: &Reply<'_>, since: Instant, previous: Option<&Self>) -> Option<Self> {
        let previous = previous.filter(|previous| previous.address == reply.address);
        let seconds = reply.options.u32(code::LEASE_TIME).filter(|seconds| *seconds > 0)?;
        let times = Times::of(seconds, &reply.options, since);
        let mut parameters = Parameters::of(reply);
        if let Some(previous) = previous {
            parameters.complete(&previous.parameters);
        }
        let lease = Self { address: reply.address, server: reply.server, times, parameters };
        (lease.is_host_address() && reply.address != reply.server).then_some(lease)
    }

    fn prefix_length(&self) -> u8 {
        self.parameters.prefix_length.unwrap_or_else(|| class_prefix(self.address))
    }

    /// Returns whether the address can be that of a host in its network.
    fn is_host_address(&self) -> bool {
        let bits = self.address.to_bits();
        let host_bits = u32::MAX.checked_shr(self.prefix_length().into()).unwrap_or(0);
        // RFC 3021: networks of /31 and /32 have no network and broadcast address.
        let is_host = self.prefix_length() >= 31 || (bits & host_bits != 0 && bits & host_bits != host_bits);
        is_unicast(self.address) && is_host
    }

    /// Returns the configuration of the interface by this lease.
    pub(super) fn config(&self) -> InterfaceConfig {
        let Parameters { gateway, classless_routes, dns_servers, search_domains, ntp_servers, hostname, mtu, .. } =
            self.parameters.clone();
        let address = InterfaceAddress::new(self.address.into(), self.prefix_length(), ConfigSource::Dhcp);
        // RFC 3442: with classless routes, the router option is ignored.
        let default = gateway.map(|gateway| Route::default_by(gateway.into()));
        InterfaceConfig {
            addresses: [address].to_vec(),
            routes: classless_routes.unwrap_or_else(|| default.into_iter().collect()),
            dns_servers: dns_servers.unwrap_or_default(),
            search_domains: search_domains.unwrap_or_default(),
            ntp_servers: ntp_servers.unwrap_or_default(),
            hostname,
            mtu,
        }
    }
}

impl Times {
    /// T1 and T2 are by default a half and seven eighths of the time (RFC 2131, 4.4.5), and wherever those of the server are
    /// not in order.
    fn of(seconds: u32, options: &Options<'_>, since: Instant) -> Self {
        if seconds == INFINITE_SECONDS {
            return Self { renewal: None, rebinding: None, end: None };
        }
        let whole = Duration::from_secs(seconds.into());
        let own = options.u32(code::RENEWAL_TIME).zip(options.u32(code::REBINDING_TIME));
        let own = own.filter(|(renewal, rebinding)| 0 < *renewal && renewal < rebinding && *rebinding < seconds);
        let (renewal, rebinding) = match own {
            Some((renewal, rebinding)) => (Duration::from_secs(renewal.into()), Duration::from_secs(rebinding.into())),
            None => (whole / 2, whole * 7 / 8),
        };
        Self { renewal: Some(since + renewal), rebinding: Some(since + rebinding), end: Some(since + whole) }
    }
}

impl Parameters {
    fn of(reply: &Reply<'_>) -> Self {
        let options = &reply.options;
        let list = |wanted| {
            let servers = options.addresses(wanted).into_iter().filter(|address| is_unicast(*address));
            let servers: Vec<IpAddr> = servers.take(MAX_SERVERS).map(IpAddr::V4).collect();
            (!servers.is_empty()).then_some(servers)
        };
        let name = |wanted| options.get(wanted).and_then(|text| name_of_text(&text));
        let search = options.get(code::SEARCH_DOMAINS).map(|data| search_list(&data)).filter(|list| !list.is_empty());
        let mut routers = options.addresses(code::ROUTER).into_iter();
        Self {
            prefix_length: options.address(code::SUBNET_MASK).and_then(prefix_length),
            // In order of preference (RFC 2132, 3.5).
            gateway: routers.find(|router| is_unicast(*router) && *router != reply.address),
            classless_routes: options.get(code::CLASSLESS_ROUTES).and_then(|data| classless_routes(&data)),
            dns_servers: list(code::DNS_SERVER),
            search_domains: search.or_else(|| name(code::DOMAIN_NAME).map(|domain| [domain].to_vec())),
            ntp_servers: list(code::NTP_SERVER),
            hostname: name(code::HOST_NAME).and_then(|name| name.split('.').next().map(String::from)),
            mtu: options.u16(code::MTU).filter(|mtu| *mtu >= MIN_MTU),
        }
    }

    /// Takes from `previous` what is missing here.
    fn complete(&mut self, previous: &Self) {
        let previous = previous.clone();
        self.prefix_length = self.prefix_length.or(previous.prefix_length);
        if self.gateway.is_none() && self.classless_routes.is_none() {
            (self.gateway, self.classless_routes) = (previous.gateway, previous.classless_routes);
        }
        self.dns_servers = self.dns_servers.take().or(previous.dns_servers);
        self.search_domains = self.search_domains.take().or(previous.search_domains);
        self.ntp_servers = self.ntp_servers.take().or(previous.ntp_servers);
        self.hostname = self.hostname.take().or(previous.hostname);
        self.mtu = self.mtu.or(previous.mtu);
    }
}

/// Returns whether an address can be that of a host: not in 0/8, 127/8, 224/4, 240/4.
fn is_unicast(address: Ipv4Addr) -> bool {
    !matches!(address.octets()[0], 0 | 127 | 224..)
}

/// Returns the length of the prefix that a mask stands for; `None` for one that is not contiguous or empty.
fn prefix_length(mask: Ipv4Addr) -> Option<u8> {
    let ones = mask.to_bits().leading_ones();
    let is_mask = ones > 0 && mask.to_bits().count_ones() == ones;
    is_mask.then(|| u8::try_from(ones).ok()).flatten()
}

/// Returns the length of the prefix without a mask: that of the address's class (RFC 791, 3.2).
fn class_prefix(address: Ipv4Addr) -> u8 {
    match address.octets()[0] {
        0..128 => 8,
        128..192 => 16,
        _ => 24,
    }
}

/// Parses classless routes (RFC 3442); `None` if they are malformed.
fn classless_routes(mut data: &[u8]) -> Option<Vec<Route>> {
    let mut routes = Vec::new();
    while let Some((&prefix_length, rest)) = data.split_first() {
        if prefix_length > 32 || routes.len() == MAX_ROUTES {
            return None;
        }
        let (significant, rest) = rest.split_at_checked(usize::from(prefix_length).div_ceil(8))?;
        let (router, rest) = rest.split_first_chunk::<4>()?;
        let mut destination = [0; 4];
        destination[..significant.len()].copy_from_slice(significant);
        // Bits beyond the prefix are to be cleared.
        let mask = !u32::MAX.checked_shr(prefix_length.into()).unwrap_or(0);
        let destination = Ipv4Addr::from_bits(u32::from_be_bytes(destination) & mask);
        let router = Ipv4Addr::from(*router);
        // Without a router, the network is on the link.
        let gateway = (!router.is_unspecified()).then_some(IpAddr::V4(router));
        if gateway.is_none() || is_unicast(router) {
            routes.push(Route::new(destination.into(), prefix_length, gateway));
        }
        data = rest;
    }
    (!routes.is_empty()).then_some(routes)
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn routes_are_parsed_as_in_the_rfc() {
        // RFC 3442: a default route, 10.0.0.0/8, 10.17.0.0/16 with bits beyond its prefix, and one on the link.
        let data = [
            &[0, 10, 0, 0, 1][..],
            &[8, 10, 10, 0, 0, 2],
            &[12, 10, 0x1f, 10, 0, 0, 3],
            &[32, 10, 229, 0, 128, 0, 0, 0, 0],
        ];
        let routes = classless_routes(&data.concat()).expect("well-formed");
        let text: Vec<String> = routes.iter().map(ToString::to_string).collect();
        assert_eq!(
            text,
            [
                "0.0.0.0/0 by 10.0.0.1",
                "10.0.0.0/8 by 10.0.0.2",
                "10.16.0.0/12 by 10.0.0.3",
                "10.229.0.128/32 on the link"
            ]
        );
    }

    #[test]
    fn malformed_routes_are_none() {
        for data in
            [&[33, 1, 2, 3, 4, 5, 10, 0, 0, 1][..], &[24, 10, 0], &[8, 10, 10, 0, 0], &[], &[0, 255, 255, 255, 255]]
        {
            assert_eq!(classless_routes(data), None, "{data:?}");
        }
        assert_eq!(classless_routes(&[0, 10, 0, 0, 1].repeat(33)), None);
    }

    #[test]
    fn masks_are_contiguous() {
        for (mask, length) in [
            ([255, 255, 255, 0], Some(24)),
            ([255, 255, 255, 255], Some(32)),
            ([128, 0, 0, 0], Some(1)),
            ([0, 0, 0, 0], None),
            ([255, 0, 255, 0], None),
        ] {
            assert_eq!(prefix_length(mask.into()), length, "{mask:?}");
        }
    }
}
